import { describe, expect, test } from "bun:test";
import { sys } from "../plan/instructions.ts";
import type { Instruction, Op, Phase, Plan } from "../plan/plan.ts";
import { steps } from "./outline.ts";
import { explainText } from "./text.ts";

function op(call: string, more: Partial<Op> = {}): Op {
  return { call, object: "x", where: "host", why: "A test.", does: [sys("getpid", [])], ...more };
}

const inside = op("setsid", { where: "container" });
const clone: Instruction = {
  do: "clone",
  args: { kind: "data", bytes: new Uint8Array(88), links: [] },
  body: [{ phase: "Process", ops: [inside, inside] }],
};
const plan: Plan = {
  run: [
    { phase: "Claim", ops: [op("fcntl", { sh: "flock x" })] },
    { phase: "Limits", ops: [] },
    { phase: "Namespaces", ops: [op("clone3", { does: [clone] }), op("write")] },
  ],
  failed: [op("failed")],
  recover: [op("recover")],
};

test("steps: those of the child behind the one that makes it; nothing of the other programs", () => {
  expect(steps(plan).map(({ number, phase, op: { call } }): [number, Phase, string] => [number, phase, call])).toEqual([
    [1, "Claim", "fcntl"],
    [2, "Namespaces", "clone3"],
    [3, "Process", "setsid"],
    [4, "Process", "setsid"],
    [5, "Namespaces", "write"],
  ]);
});

describe("explainText", () => {
  test("a head for each phase and process, then number, call, object, why and command", () => {
    expect(explainText(plan, [])).toBe(`Claim, outside
   1  fcntl x
      A test.
      $ flock x

Namespaces, outside
   2  clone3 x
      A test.

Process, in the container's process
   3  setsid x
      A test.
   4  setsid x
      A test.

Namespaces, outside
   5  write x
      A test.
`);
  });

  test("undo: by its command, or else by call and object", () => {
    const undo = { call: "rmdir", object: "/x", does: [] };
    const told = (more: Partial<Op>) =>
      explainText({ run: [{ phase: "Claim", ops: [op("mkdirat", more)] }], failed: [], recover: [] }, []);
    expect(told({ undo })).toContain("      undone by: rmdir /x\n");
    expect(told({ undo: { ...undo, sh: "rmdir -p /x" } })).toContain("      undone by: rmdir -p /x\n");
  });

  test("what is done once before stands first, without numbers", () => {
    expect(explainText(plan, [op("openat")])).toStartWith(
      "Once, before the first run\n   ·  openat x\n      A test.\n\nClaim, outside\n   1  fcntl x\n",
    );
  });
});
