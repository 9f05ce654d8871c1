/** What the stage wrote down: one record an instruction. The format is told in stage/wire.h. */
import type { Out } from "../plan/plan.ts";
import type { Layout } from "./encode.ts";
import { RECORD_SIZE, REPORT_HEAD, readHead } from "./layout.ts";

export type State = "pending" | "started" | "done" | "failed" | "undone";
const STATES: readonly State[] = ["pending", "started", "done", "failed", "undone"];

export interface Record {
  readonly state: State;
  readonly result: bigint;
  readonly errno: number;
  /** CLOCK_MONOTONIC, nanoseconds; 0n if not finished. */
  readonly end: bigint;
}

export interface Report {
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly start: bigint;
  /** Number of the instruction that ended the run; undefined if none did. */
  readonly failed: number | undefined;
  /** Undo steps that failed. */
  readonly left: number;
  readonly records: readonly Record[];
  /** The bytes that an instruction put into the report. */
  output(out: Out): Uint8Array;
}

/** @param file the plan file as it is after the stage has worked on it */
export function readReport(file: Uint8Array, layout: Layout): Report {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const { report: at, output } = readHead(file);
  const failed = view.getUint32(at + 8, true);
  const records = layout.instructions.map((_, i): Record => {
    const r = at + REPORT_HEAD + i * RECORD_SIZE;
    return {
      result: view.getBigInt64(r, true),
      end: view.getBigUint64(r + 8, true),
      state: STATES[view.getUint32(r + 16, true)] ?? "pending",
      errno: view.getUint32(r + 20, true),
    };
  });
  return {
    start: view.getBigUint64(at, true),
    failed: failed === 0 ? undefined : failed - 1,
    left: view.getUint32(at + 12, true),
    records,
    output(out) {
      const offset = layout.outs.get(out);
      if (offset === undefined) throw new Error("the plan has no such output");
      return file.subarray(output + offset, output + offset + out.size);
    },
  };
}
