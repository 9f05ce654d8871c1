/** A run in which an op failed: the stage has undone it; here it is told, and the rest of its files go. */
import { existsSync } from "node:fs";
import { describeStep, failedStep } from "../container/failure.ts";
import { readJournal } from "../container/journal.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { dropTemplates } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { diagnose } from "./diagnose.ts";
import { forgetFacts } from "./facts.ts";
import { removeFiles } from "./remove.ts";

export function tellFailure(engine: Engine, directory: string): VitrineError {
  const journal = existsSync(planFile(directory)) ? readJournal(directory) : undefined;
  if (!journal) {
    dropRun(directory);
    return new VitrineError("BROKEN_STATE", `${directory}: a step failed after the journal was gone`);
  }
  const { record, report, layout } = journal;
  dropRun(directory);
  if (record.keep) removeFiles(engine, record.identity.id, record.identity.name);
  forgetFacts(engine.paths);
  dropTemplates(engine.paths);
  const step = failedStep(layout, report);
  if (!step) return new VitrineError("BROKEN_STATE", "the run ended without a failed step");
  const left = report.left > 0 ? `; ${report.left} steps could not be undone` : "";
  const { code, hint } = diagnose(engine, record, step, report, layout);
  return new VitrineError(code, describeStep(step) + left, { hint });
}
