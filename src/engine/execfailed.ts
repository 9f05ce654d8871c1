/** An exec in which an op failed; the stage has undone it. */
import { readFileSync } from "node:fs";
import { describeStep, failedStep } from "../container/failure.ts";
import { readExecRecord } from "../container/journal.ts";
import type { ExecRecord } from "../container/record.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { ERRNO } from "../linux/errno.ts";
import { planExec } from "../plan/exec.ts";
import { encode } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { readReport } from "../stage/report.ts";
import type { Engine } from "./context.ts";
import { diagnose } from "./diagnose.ts";
import { forgetFacts } from "./facts.ts";
import { liveAmong, notRunning } from "./live.ts";
import { lookUp } from "./lookup.ts";

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
  dropRun(directory);
  forgetFacts(engine.paths);
  return failureOf(engine, record, file);
}

function failureOf(engine: Engine, record: ExecRecord, file: Uint8Array): VitrineError {
  if (record.build !== BUILD)
    return new VitrineError("BROKEN_STATE", "a step failed in a plan that another build of vitrine made");
  const { layout } = encode(planExec(record.input, record.facts), record.facts.arch);
  const report = readReport(file, layout);
  const step = failedStep(layout, report);
  if (!step) return new VitrineError("BROKEN_STATE", "the exec ended without a failed step");
  if (hasEnded(engine, record)) return notRunning(record.name, record.input.id);
  const left = report.left > 0 ? `; ${report.left} steps could not be undone` : "";
  if (step.call === "openat2" && step.op.call === "fchdir")
    return new VitrineError(
      step.errno === ERRNO.ENOENT ? "COMMAND_NOT_FOUND" : "CANNOT_INVOKE",
      describeStep(step) + left,
      { hint: `the working directory ${step.op.object} has to be a directory in the container` },
    );
  const { code, hint } = diagnose(engine, record, step, report, layout);
  return new VitrineError(code, describeStep(step) + left, { hint });
}

function hasEnded(engine: Engine, { input }: ExecRecord): boolean {
  try {
    return liveAmong(lookUp(engine, input.id).runs)?.pid !== input.target.pid;
  } catch {
    return true; // it was removed
  }
}
