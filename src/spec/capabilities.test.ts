import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { CAPABILITIES } from "../linux/capabilities.ts";
import { chooseCapabilities, DEFAULT_CAPABILITIES } from "./capabilities.ts";

const LAST = 40;
const choose = (add: string[], drop: string[], last = LAST) => chooseCapabilities(add, drop, last);
const DEFAULT = choose([], []);

describe("chooseCapabilities", () => {
  test("by default it is docker's set without NET_RAW and MKNOD, in the order of the bits", () => {
    expect(new Set(DEFAULT)).toEqual(new Set(DEFAULT_CAPABILITIES));
    expect(DEFAULT).toHaveLength(12);
    expect(DEFAULT).not.toContain("CAP_NET_RAW");
    expect(DEFAULT).not.toContain("CAP_MKNOD");
    expect(DEFAULT[0]).toBe("CAP_CHOWN");
    expect(DEFAULT.at(-1)).toBe("CAP_SETFCAP");
  });

  test.each([
    [["NET_ADMIN"], [], [...DEFAULT, "CAP_NET_ADMIN"]],
    [["cap_net_admin", "Net_Admin"], [], [...DEFAULT, "CAP_NET_ADMIN"]],
    [[], ["CAP_CHOWN"], DEFAULT.slice(1)],
    [[], ["NET_ADMIN"], DEFAULT],
    [[], ["all"], []],
    [["CHOWN"], ["ALL"], ["CAP_CHOWN"]],
    [["CHOWN"], ["CHOWN"], DEFAULT],
    [["ALL"], ["ALL"], CAPABILITIES.map((n) => `CAP_${n}`)],
    [["ALL"], ["SYS_ADMIN"], CAPABILITIES.filter((n) => n !== "SYS_ADMIN").map((n) => `CAP_${n}`)],
  ])("add %j, drop %j", (add, drop, chosen) => {
    expect(new Set<string>(choose(add, drop))).toEqual(new Set<string>(chosen));
    expect(choose(add, drop)).toHaveLength(chosen.length);
  });

  test("ALL is what this kernel has", () => {
    expect(choose(["ALL"], [], 37).at(-1)).toBe("CAP_AUDIT_READ");
    expect(choose(["ALL"], [], 37)).toHaveLength(38);
  });

  test.each([
    [["NET_ADMN"], [], '--cap-add: no capability is called "NET_ADMN"'],
    [[], ["CAP_"], '--cap-drop: no capability is called "CAP_"'],
    [[""], [], '--cap-add: no capability is called ""'],
    [["CAP_CAP_CHOWN"], [], '--cap-add: no capability is called "CAP_CAP_CHOWN"'],
    [["CAP_ALL"], [], '--cap-add: no capability is called "CAP_ALL"'],
    [["ALL"], ["nothing"], '--cap-drop: no capability is called "nothing"'],
    [["CHOWN "], [], '--cap-add: no capability is called "CHOWN "'],
    [["0"], [], '--cap-add: no capability is called "0"'],
  ])("add %j, drop %j is refused", (add, drop, message) => {
    expect(refusal(() => choose(add, drop))).toEqual({
      code: "INVALID",
      message,
      hint: "names are as in capabilities(7): NET_ADMIN, SYS_PTRACE",
    });
  });

  test("what is added is there, what is only dropped is not, nothing comes from nowhere", () => {
    const some = fc.subarray([...CAPABILITIES] as string[]);
    fc.assert(
      fc.property(some, some, (add, drop) => {
        const chosen = new Set<string>(choose(add, drop));
        for (const name of add) expect(chosen.has(`CAP_${name}`)).toBe(true);
        for (const name of drop) if (!add.includes(name)) expect(chosen.has(`CAP_${name}`)).toBe(false);
        for (const name of chosen)
          expect(DEFAULT_CAPABILITIES.includes(name) || add.includes(name.slice(4))).toBe(true);
      }),
    );
  });

  // capset(2) answers EPERM to it, a step in the middle of the plan.
  test("a capability that this kernel does not have is refused", () => {
    expect(() => choose(["CHECKPOINT_RESTORE"], [], 37)).toThrow("CHECKPOINT_RESTORE");
  });
});
