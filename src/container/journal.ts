/** The plan file of a run, read back: the record behind it, the same plan made again, and the stage's report on it. */
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import type { Plan } from "../plan/plan.ts";
import { planRun } from "../plan/run.ts";
import { encode, type Layout } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { HEADER_SIZE, readHead } from "../stage/layout.ts";
import { type Report, readReport } from "../stage/report.ts";
import type { AttachRecord, ExecRecord, RunRecord } from "./record.ts";
import { planFile } from "./runs.ts";

export interface Journal {
  readonly record: RunRecord;
  readonly plan: Plan;
  readonly layout: Layout;
  readonly report: Report;
}

/** Undefined if the file is not whole, or no container's. @throws ENOENT if there is none */
export function readRunRecord(directory: string): RunRecord | undefined {
  return unlessBroken(() => {
    const record = JSON.parse(readTrailer(directory));
    return "kind" in record ? undefined : record;
  });
}

/** What a plan was made from is most of its record. */
const MADE_FROM = ',"input":';

/** The same for many: what each plan was made from is parsed only where it is looked at. */
export function skimRunRecord(directory: string): RunRecord | undefined {
  return unlessBroken(() => {
    const text = readTrailer(directory);
    const at = text.indexOf(MADE_FROM); // in no string of JSON: quotes have backslashes there
    if (at < 0 || !text.endsWith("}")) return readRunRecord(directory);
    const record = JSON.parse(`${text.slice(0, at)}}`);
    if ("kind" in record) return undefined;
    let whole: RunRecord | undefined;
    for (const key of ["input", "facts", "build"] as const) {
      if (key in record) continue;
      Object.defineProperty(record, key, {
        enumerable: true,
        get: () => {
          whole ??= JSON.parse(text) as RunRecord;
          return whole[key];
        },
      });
    }
    return record;
  });
}

function readTrailer(directory: string): string {
  const handle = openSync(planFile(directory), "r");
  try {
    const head = Buffer.alloc(HEADER_SIZE);
    if (readSync(handle, head, 0, head.length, 0) < head.length) throw new RangeError("no head");
    const { trailer } = readHead(head);
    const text = Buffer.alloc(Math.max(0, fstatSync(handle).size - trailer));
    readSync(handle, text, 0, text.length, trailer);
    return text.toString("utf8");
  } finally {
    closeSync(handle);
  }
}

function unlessBroken<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined;
    throw error;
  }
}

/** Undefined also if another build of vitrine wrote it, whose plan may differ. */
export function readJournal(directory: string): Journal | undefined {
  const file = readFileSync(planFile(directory));
  const record = recordIn(file);
  if (!record || record.build !== BUILD) return undefined;
  const plan = planRun(record.input, record.facts);
  const { layout } = encode(plan, record.facts.arch);
  return layout.instructions.length === readHead(file).ops
    ? { record, plan, layout, report: readReport(file, layout) }
    : undefined;
}

/** The record of an exec; undefined for another run's, or a file that is not whole. */
export function readExecRecord(file: Uint8Array): ExecRecord | undefined {
  const record = trailerOf(file);
  return record && "kind" in record && record.kind === "exec" ? record : undefined;
}

/** The record of an attach, in the same way. */
export function readAttachRecord(file: Uint8Array): AttachRecord | undefined {
  const record = trailerOf(file);
  return record && "kind" in record && record.kind === "attach" ? record : undefined;
}

function recordIn(file: Uint8Array): RunRecord | undefined {
  const record = trailerOf(file);
  return record && !("kind" in record) ? record : undefined;
}

function trailerOf(file: Uint8Array): RunRecord | ExecRecord | AttachRecord | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(file.subarray(readHead(file).trailer)));
  } catch {
    return undefined;
  }
}
