/** A run in which an op failed: the stage has undone it; here it is told, and the rest of its files go. */
import { existsSync } from "node:fs";
import { emit } from "../container/events.ts";
import { describeStep, type FailedStep, failedStep } from "../container/failure.ts";
import { tokenOf } from "../container/identity.ts";
import { type Journal, readJournal } from "../container/journal.ts";
import { containerDirectory } from "../container/paths.ts";
import type { RunRecord } from "../container/record.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { dropNextRecord, writeRecord } from "../container/store.ts";
import { dropTemplates } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import { ERRNO } from "../linux/errno.ts";
import type { Engine } from "./context.ts";
import { diagnose } from "./diagnose.ts";
import { forgetFacts } from "./facts.ts";
import { nameTaken } from "./nametaken.ts";
import { notStarted, startedBy } from "./recover.ts";
import { removeFiles } from "./remove.ts";
import { notUndone, undoRest } from "./undorest.ts";

export function tellFailure(engine: Engine, directory: string): VitrineError {
  const journal = existsSync(planFile(directory)) ? readJournal(directory) : undefined;
  if (!journal) {
    dropRun(directory);
    return new VitrineError("BROKEN_STATE", `${directory}: a step failed after the journal was gone`);
  }
  const { record, report, layout } = journal;
  const step = failedStep(layout, report);
  const whole = undoRest(engine, directory, report);
  const error = step
    ? errorOf(engine, journal, step, whole)
    : new VitrineError("BROKEN_STATE", "the run ended without a failed step");
  tellEvents(engine, journal, error);
  if (record.keep && record.input.nextRecord === undefined)
    removeFiles(engine, record.identity.id, record.identity.name);
  else if (record.keep) noteFailure(engine, record, error);
  if (whole) dropRun(directory); // else the next command tries again
  if (error.code === "CONFLICT" || error.code === "USED_UP") return error; // the plan is right
  forgetFacts(engine.paths);
  dropTemplates(engine.paths);
  return error;
}

/** That it has come, is told: then also that it is no more. */
function tellEvents({ paths }: Engine, { record, report, layout }: Journal, { exitStatus }: VitrineError): void {
  const { told } = record.input;
  const came = layout.instructions.findIndex((p) => p.op.call === "writev" && p.op.object.startsWith("create"));
  const isNew = record.keep ? record.input.nextRecord === undefined : report.records[came]?.state === "done";
  if (!told || !isNew) return;
  const attributes = { ...told.attributes, name: told.name };
  if (!record.keep) emit(paths, "container", "die", told.id, { ...attributes, exitCode: String(exitStatus) });
  emit(paths, "container", "destroy", told.id, attributes);
}

function errorOf(engine: Engine, { record, report, layout }: Journal, step: FailedStep, whole: boolean): VitrineError {
  if (step.op.object === `lock of ${containerDirectory(engine.paths, record.identity.id)}/lock`)
    return new VitrineError(
      "CONFLICT",
      `container ${record.identity.name} is being started by another command, or removed`,
    );
  if (isGroupOfAnother(step, record))
    return new VitrineError(
      "CONFLICT",
      `a start of container ${record.identity.name} that was killed has left its control group`,
      {
        hint: "every command cleans up behind it: try again",
      },
    );
  // Another command was quicker: each has seen that it is free.
  if (step.op.object.startsWith("the name ") && step.errno === ERRNO.EEXIST) return nameTaken(record.identity.name);
  const { code, hint } = diagnose(engine, record, step, report, layout);
  return new VitrineError(code, describeStep(step) + notUndone(whole, report), { hint });
}

/** Between two starts there was a third, and nobody has looked since. */
function isGroupOfAnother({ op, errno }: FailedStep, { identity }: RunRecord): boolean {
  return errno === ERRNO.EEXIST && op.call === "mkdirat" && op.object.endsWith(`/vitrine-${identity.id}`);
}

/** The container stays as it was; why it does not run is to be seen afterwards. */
function noteFailure(engine: Engine, run: RunRecord, { code, message, exitStatus }: VitrineError): void {
  dropNextRecord(engine.paths, run.identity.id, tokenOf(run.identity));
  const record = startedBy(engine, run);
  if (!record) return;
  const before = notStarted(record);
  writeRecord(engine.paths, code === "CONFLICT" ? before : { ...before, error: message, exitCode: exitStatus });
}
