import { describe, expect, test } from "bun:test";
import { alt, awaits, struct, sys, u64 } from "../plan/instructions.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { encode } from "../stage/encode.ts";
import { readReport } from "../stage/report.ts";
import { formatTimeline, stepTimes } from "./timeline.ts";

const START = 1_000_000_000n;

function op(call: string, does: Instruction[], where: Op["where"] = "host"): Op {
  return { call, object: "x", where, why: "A test.", does };
}

const inside = [sys("setsid", []), sys("getppid", [])];
const child = op("setsid", inside, "container");
const pid: Instruction = { do: "clone", args: struct([u64(0)]), body: [{ phase: "Process", ops: [child] }] };
const [open, other] = [sys("openat", []), sys("close", [])];
const plan: Plan = {
  run: [
    {
      phase: "Claim",
      ops: [
        op("fcntl", [sys("fcntl", []), sys("umask", [])]),
        op("clone3", [pid]),
        op("waitid", [awaits(inside[1] as Instruction, pid), alt([open], [other])]),
      ],
    },
  ],
  failed: [],
  recover: [],
};

/** Microseconds since the start at which each instruction ended; 0: begun, not finished; undefined: not begun. */
function timed(ends: readonly (number | undefined)[]) {
  const { file, layout } = encode(plan, "x64");
  const view = new DataView(file.buffer);
  const at = view.getUint32(24, true);
  view.setBigUint64(at, START, true);
  for (const [i, end] of ends.entries()) {
    if (end === undefined) continue;
    view.setUint32(at + 16 + 24 * i + 16, end === 0 ? 1 : 2, true);
    if (end !== 0) view.setBigUint64(at + 16 + 24 * i + 8, START + BigInt(end) * 1000n, true);
  }
  return { layout, report: readReport(file, layout) };
}

//            fcntl umask clone3 setsid getppid await alt open close
const WHOLE = [100, 150, 400, 500, 900, 950, 1000, 1000, undefined];

describe("stepTimes", () => {
  test("each step from the end of the one before, in its own process", () => {
    const { layout, report } = timed(WHOLE);
    expect(
      stepTimes(layout, report).map(({ op: { call }, ...t }) => [call, t.at, t.took, t.waited, t.finished]),
    ).toEqual([
      ["fcntl", 0n, 150_000n, 0n, true],
      ["clone3", 150_000n, 250_000n, 0n, true],
      ["setsid", 400_000n, 500_000n, 0n, true],
      ["waitid", 400_000n, 600_000n, 550_000n, true],
    ]);
  });

  test("a step that is not finished is told as such, what was not begun is left out", () => {
    const { layout, report } = timed([100, 0]);
    expect(stepTimes(layout, report).map((t) => [t.op.call, t.took, t.finished])).toEqual([["fcntl", 100_000n, false]]);
    expect(stepTimes(...(Object.values(timed([])) as [typeof layout, typeof report]))).toEqual([]);
  });
});

describe("formatTimeline", () => {
  test("a table in milliseconds", () => {
    expect(formatTimeline({ prepared: 1_500_000n, ...timed(WHOLE) }, 2_000n)).toBe(`step      at ms    took ms
   1      0.000      0.150  outside  fcntl x
   2      0.150      0.250  outside  clone3 x
   3      0.400      0.500  inside   setsid x
   4      0.400      0.600  outside  waitid x  (waited 0.550)
vitrine before the stage: 1.500 ms; undo: 0.002 ms
`);
  });

  test("what is not finished has no time", () => {
    expect(formatTimeline({ prepared: 0n, ...timed([100, 0]) }, 0n)).toContain(
      "   1      0.000          -  outside  fcntl x\n",
    );
  });

  // The child's step 3 was not begun; the one behind it is step 4 in errors and in --explain.
  test("numbers are those of the plan", () => {
    const { layout, report } = timed([100, 150, 400, undefined, undefined, 0]);
    expect(formatTimeline({ prepared: 0n, layout, report }, 0n)).toContain("   4      0.400");
  });
});
