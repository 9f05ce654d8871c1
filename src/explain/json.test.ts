import { describe, expect, test } from "bun:test";
import { HYBRID, shapeFor, V2_ONLY } from "../../test/facts.ts";
import { alt, awaits, bytes, expect as expects, out, struct, sys, text, u64 } from "../plan/instructions.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { planRun } from "../plan/run.ts";
import { explainJson } from "./json.ts";

function op(call: string, does: Instruction[], more: Partial<Op> = {}): Op {
  return { call, object: "x", where: "host", why: "A test.", does, ...more };
}

const planOf = (...ops: Op[]): Plan => ({ run: [{ phase: "Claim", ops }], failed: [], recover: [] });
const doesOf = (...does: Instruction[]) => explainJson(planOf(op("x", does)), []).steps[0]?.does;

describe("instructions as data", () => {
  test("arguments of every kind", () => {
    const pid = sys("getpid", []);
    const call = sys("write", [
      3,
      -100,
      2n ** 63n,
      "path",
      pid,
      out(64),
      text("128m\n"),
      bytes(new Uint8Array([0, 255])),
    ]);
    expect(doesOf(pid, call)?.[1]).toEqual({
      do: "sys",
      call: "write",
      args: [3, -100, "9223372036854775808", "path", "result of step 1", "64 bytes of the report", "128m\n", "0x00ff"],
      on: undefined,
    });
    expect(doesOf(sys("close", [0], { ok: ["EBADF"] }))?.[0]?.on).toEqual(["EBADF"]);
  });

  test("groups, expectations, and all the rest", () => {
    const first = sys("read", [0]);
    expect(doesOf(alt([first], [sys("close", [0])], ["EIO"]))?.[0]).toMatchObject({
      do: "alt",
      on: ["EIO"],
      first: [{ call: "read" }],
      other: [{ call: "close" }],
    });
    expect(doesOf(first, expects(first, 128n, 0n, "ECHILD"))?.[1]?.args).toEqual(["result & 128 == 0", "ECHILD"]);
    expect(doesOf(expects({ load: out(8), at: 0, width: 8 }, 1n, 1n, "EIO"))?.[0]?.args).toEqual([
      "data & 1 == 1",
      "EIO",
    ]);
    expect(doesOf({ do: "walk", mode: "remove", dir: -100, path: "/x" })?.[0]).toEqual({
      do: "walk",
      call: "remove",
      args: ["/x"],
    });
    const spawn = { do: "spawn", path: "/bin/x", argv: ["x", "-y"], env: [], stdin: text(""), timeoutMs: 0 } as const;
    expect(doesOf(spawn)?.[0]).toEqual({ do: "spawn", call: "/bin/x", args: ["x", "-y"] });
    expect(doesOf({ do: "undo" })?.[0]).toEqual({ do: "undo" });
    expect(doesOf(first, { do: "serve", mode: "signals", pidfd: first })?.[1]).toEqual({ do: "serve" });
  });

  test("steps of a child are numbered behind the step that makes it, and named by those numbers", () => {
    const group = sys("setsid", []);
    const inside = op("setsid", [alt([group], [])], { where: "container" });
    const pid: Instruction = { do: "clone", args: struct([u64(0)]), body: [{ phase: "Process", ops: [inside] }] };
    const { steps } = explainJson(
      planOf(op("clone3", [pid]), op("close", [awaits(group, pid), sys("close", [pid])])),
      [],
    );
    expect(steps.map((s) => [s.step, s.phase, s.where, s.call])).toEqual([
      [1, "Claim", "host", "clone3"],
      [2, "Process", "container", "setsid"],
      [3, "Claim", "host", "close"],
    ]);
    expect(steps[0]?.does[0]).toEqual({ do: "clone", call: "clone3", steps: 1 });
    expect(steps[2]?.does.map((d) => d.args)).toEqual([["step 2"], ["result of step 1"]]);
  });

  test("an undo, and what is done once before", () => {
    const undo = { call: "rmdir", object: "/x", sh: "rmdir /x", does: [sys("unlinkat", [-100, "/x", 512])] };
    const told = explainJson(planOf(op("mkdirat", [sys("mkdirat", [-100, "/x", 448])], { undo, sh: "mkdir /x" })), [
      op("openat", [], { object: "before" }),
    ]);
    expect(told.steps[0]).toMatchObject({ sh: "mkdir /x", undo: { call: "rmdir", object: "/x", sh: "rmdir /x" } });
    expect(told.steps[0]?.undo?.does[0]?.args).toEqual([-100, "/x", 512]);
    expect(told.before.map((s) => [s.step, s.phase, s.object])).toEqual([[1, "Image", "before"]]);
  });
});

test("a plan as JSON is JSON: every value survives it", () => {
  const told = explainJson(planRun(shapeFor({}, HYBRID).input, HYBRID), []);
  expect(JSON.parse(JSON.stringify(told))).toEqual(JSON.parse(JSON.stringify(structuredClone(told))));
  expect(told.steps.map((s) => s.step)).toEqual(told.steps.map((_, i) => i + 1));
});

// Instructions of an undo are not numbered: "result of step undefined".
test("an undo that uses a result of its own", () => {
  expect(JSON.stringify(explainJson(planRun(shapeFor({}, V2_ONLY).input, V2_ONLY), []))).not.toContain("undefined");
});

test("what is done once before may use its own results", () => {
  const fd = sys("openat", [-100, "/x", 0]);
  const { before } = explainJson(planOf(), [op("write", [fd, sys("close", [fd])])]);
  expect(before[0]?.does[1]?.args?.[0]).not.toBe("result of step undefined");
});
