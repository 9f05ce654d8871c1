import { describe, expect, test } from "bun:test";
import { out, sys } from "../plan/instructions.ts";
import type { Op, Plan } from "../plan/plan.ts";
import { encode } from "./encode.ts";
import { readHead } from "./layout.ts";
import { readReport } from "./report.ts";

const [small, large] = [out(12), out(40)];
const calls = [sys("read", [0, small, 12]), sys("read", [0, large, 40]), sys("close", [0])];
const op: Op = { call: "read", object: "x", where: "host", why: "A test.", does: calls };
const plan: Plan = { run: [{ phase: "Claim", ops: [op] }], failed: [], recover: [] };

/** A report as stage/wire.h lays it out, behind the plan that encode() made. */
function written(change: (view: DataView, record: (i: number) => number, output: number) => void) {
  const { file, layout } = encode(plan, "x64");
  const view = new DataView(file.buffer);
  const at = view.getUint32(24, true);
  change(view, (i) => at + 16 + 24 * i, at + 16 + 24 * 3);
  return { file, layout, at };
}

describe("a report", () => {
  test("of a run that has not begun", () => {
    const { file, layout } = written(() => {});
    const report = readReport(file, layout);
    expect([report.start, report.failed, report.left]).toEqual([0n, undefined, 0]);
    expect(report.records).toEqual(calls.map(() => ({ state: "pending", result: 0n, errno: 0, end: 0n })));
    expect(report.output(small)).toEqual(new Uint8Array(12));
  });

  test("of one that failed in its first instruction: number 0 is a failure too", () => {
    const { file, layout, at } = written((view, record) => {
      view.setBigInt64(record(0), -22n, true);
      view.setBigUint64(record(0) + 8, 2n ** 63n + 5n, true);
      view.setUint32(record(0) + 16, 3, true);
      view.setUint32(record(0) + 20, 22, true);
    });
    const view = new DataView(file.buffer);
    view.setBigUint64(at, 7_000_000_000n, true);
    view.setUint32(at + 8, 1, true);
    view.setUint32(at + 12, 2, true);
    const report = readReport(file, layout);
    expect([report.start, report.failed, report.left]).toEqual([7_000_000_000n, 0, 2]);
    expect(report.records[0]).toEqual({ state: "failed", result: -22n, errno: 22, end: 2n ** 63n + 5n });
  });

  test("states by their numbers; one that is not known is not begun", () => {
    for (const [number, state] of ["pending", "started", "done", "failed", "undone", "pending"].entries()) {
      const { file, layout } = written((view, record) => view.setUint32(record(2) + 16, number, true));
      expect(readReport(file, layout).records[2]?.state).toBe(state as never);
    }
  });

  test("outputs lie where their instructions write, apart from each other", () => {
    const { file, layout } = written((view, _, output) => {
      for (let i = 0; i < 12; i++) view.setUint8(output + i, 0xaa);
      for (let i = 0; i < 40; i++) view.setUint8(output + 16 + i, 0xbb);
    });
    const report = readReport(file, layout);
    expect(report.output(small)).toEqual(new Uint8Array(12).fill(0xaa));
    expect(report.output(large)).toEqual(new Uint8Array(40).fill(0xbb));
    expect(() => report.output(out(4))).toThrow("the plan has no such output");
  });

  test("as a part of a larger buffer", () => {
    const { file, layout } = written((view, record) => view.setUint32(record(1) + 20, 7, true));
    const larger = new Uint8Array(file.length + 10);
    larger.set(file, 5);
    expect(readReport(larger.subarray(5, 5 + file.length), layout).records[1]?.errno).toBe(7);
  });

  test("cut short it is a RangeError", () => {
    const { file, layout } = written(() => {});
    for (const length of [0, 16, 31, 40, 4096, file.length - 60])
      expect(() => readReport(file.subarray(0, length), layout)).toThrow(RangeError);
  });
});

test("readHead tells where the report is, and what lies behind it on a page of its own", () => {
  const { file } = encode(plan, "x64");
  expect(readHead(file)).toEqual({ ops: 3, report: 4096, output: 4096 + 16 + 72, trailer: 8192 });
  expect(() => readHead(new Uint8Array(31))).toThrow(RangeError);
});
