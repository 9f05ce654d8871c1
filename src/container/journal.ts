/** The plan file of a run, read back: the record behind it, the same plan made again, and the stage's report on it. */
import { readFileSync } from "node:fs";
import { encode, type Encoded, PAGE } from "../stage/encode.ts";
import { planRun } from "../plan/run.ts";
import type { Plan } from "../plan/plan.ts";
import { readReport, type Report } from "../stage/report.ts";
import type { RunRecord } from "./record.ts";
import { planFile } from "./runs.ts";

export interface Journal {
  readonly record: RunRecord;
  readonly plan: Plan;
  readonly encoded: Encoded;
  readonly report: Report;
}

const encoder = new TextEncoder();

/** The trailer of a plan file: the record as JSON. */
export function encodeRecord(record: RunRecord): Uint8Array {
  return encoder.encode(JSON.stringify(record));
}

export function readRunRecord(directory: string): RunRecord | undefined {
  return recordIn(readFileSync(planFile(directory)));
}

/** Undefined if the file is no run's, or was written by another build of vitrine, whose plan may differ. */
export function readJournal(directory: string): Journal | undefined {
  const file = readFileSync(planFile(directory));
  const record = recordIn(file);
  if (!record) return undefined;
  const plan = planRun(record.input, record.facts);
  const encoded = encode(plan, record.facts.arch, encodeRecord(record));
  const size = new DataView(encoded.file.buffer).getUint32(8, true);
  const same = encoded.file.length === file.length && Buffer.compare(encoded.file.subarray(0, size), file.subarray(0, size)) === 0;
  return same ? { record, plan, encoded, report: readReport(file, encoded.layout) } : undefined;
}

/** Planners are pure, so the record suffices to find the trailer's place: it is the JSON object at the end of the file. */
function recordIn(file: Uint8Array): RunRecord | undefined {
  if (file.length < 64) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const [ops, report, out] = [view.getUint32(12, true), view.getUint32(24, true), view.getUint32(28, true)];
  const at = Math.ceil((report + 16 + ops * 24 + out) / PAGE) * PAGE;
  try {
    return JSON.parse(new TextDecoder().decode(file.subarray(at)));
  } catch {
    return undefined;
  }
}
