/** An exec in which an op failed; the stage has undone it. */
import { readFileSync, readlinkSync } from "node:fs";
import { describeStep, failedStep, usedUpBy } from "../container/failure.ts";
import { readExecRecord } from "../container/journal.ts";
import type { ExecRecord } from "../container/record.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { ERRNO } from "../linux/errno.ts";
import { planExec } from "../plan/exec.ts";
import { encode, type Layout } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { type Report, readReport } from "../stage/report.ts";
import type { Engine } from "./context.ts";
import { diagnose } from "./diagnose.ts";
import { forgetFacts } from "./facts.ts";
import { liveAmong, notRunning } from "./live.ts";
import { lookUp } from "./lookup.ts";
import { notUndone, undoRest } from "./undorest.ts";

/** Undefined if that was no exec's run. */
export function tellExecFailure(engine: Engine, directory: string): VitrineError | undefined {
  let file: Uint8Array;
  try {
    file = readFileSync(planFile(directory));
  } catch {
    return undefined;
  }
  const record = readExecRecord(file);
  if (!record) return undefined;
  const { error, whole } = failureOf(engine, directory, record, file);
  if (whole) dropRun(directory);
  if (error.code !== "USED_UP") forgetFacts(engine.paths);
  return error;
}

/** @returns whether all of it is undone */
function failureOf(
  engine: Engine,
  directory: string,
  record: ExecRecord,
  file: Uint8Array,
): { error: VitrineError; whole: boolean } {
  if (record.build !== BUILD) {
    const error = new VitrineError("BROKEN_STATE", "a step failed in a plan that another build of vitrine made");
    return { error, whole: true };
  }
  const { layout } = encode(planExec(record.input, record.facts), record.facts.arch);
  const report = readReport(file, layout);
  const whole = undoRest(engine, directory, report);
  return { error: errorOf(engine, record, layout, report, whole), whole };
}

function errorOf(engine: Engine, record: ExecRecord, layout: Layout, report: Report, whole: boolean): VitrineError {
  const step = failedStep(layout, report);
  if (!step) return new VitrineError("BROKEN_STATE", "the exec ended without a failed step");
  if (hasEnded(engine, record)) return notRunning(record.name, record.input.id);
  const left = notUndone(whole, report);
  if (step.call === "openat2" && step.op.call === "fchdir" && !usedUpBy(step))
    return new VitrineError(
      step.errno === ERRNO.ENOENT ? "COMMAND_NOT_FOUND" : "CANNOT_INVOKE",
      describeStep(step) + left,
      { hint: `the working directory ${step.op.object} has to be a directory in the container` },
    );
  const { code, hint } = diagnose(engine, record, step, report, layout);
  return new VitrineError(code, describeStep(step) + left, { hint });
}

function hasEnded(engine: Engine, { input }: ExecRecord): boolean {
  const { pid } = input.target;
  try {
    readlinkSync(`/proc/${pid}/ns/mnt`); // a process that ends has left its namespaces before its parent knows
    return liveAmong(lookUp(engine, input.id).runs)?.pid !== pid;
  } catch {
    return true; // it is gone, or the container was removed
  }
}
