/** Small plans of the engine's own (probing, assembling, removing), carried out by the stage as a child. */
import { readFileSync } from "node:fs";
import { newIdentity } from "../container/identity.ts";
import type { Paths } from "../container/paths.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { currentArch } from "../linux/arch.ts";
import { recovery } from "../plan/life.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { encode } from "../stage/encode.ts";
import { runStage } from "../stage/execute.ts";
import { type Report, readReport } from "../stage/report.ts";
import { stepError } from "./failure.ts";

export interface Done {
  readonly report: Report;
  /** Where an instruction stands in the report. */
  numberOf(instruction: Instruction): number;
}

/** Carries out `ops`; on failure undoes them and throws STEP_FAILED. */
export function carryOut(stage: string, paths: Paths, ops: readonly Op[]): Done {
  return perform(stage, paths, ops, "drop").done;
}

/** The same for ops that write to standard output; returns what they wrote. */
export function readOut(stage: string, paths: Paths, ops: readonly Op[]): Uint8Array {
  return perform(stage, paths, ops, "take").stdout;
}

function perform(
  stage: string,
  paths: Paths,
  ops: readonly Op[],
  stdout: "take" | "drop",
): { done: Done; stdout: Uint8Array } {
  const directory = claimRun(paths, newIdentity(undefined));
  const place = { directory, program: "", arguments: [], env: [] };
  const undo: Op = {
    call: "unlinkat",
    object: "what was done so far",
    where: "host",
    why: "A failure leaves nothing.",
    does: [{ do: "undo" }],
  };
  const plan: Plan = { run: [{ phase: "Image", ops }], failed: [undo], recover: recovery(place) };
  const { file, layout } = encode(plan, currentArch());
  try {
    writePlan(directory, file);
    const outcome = runStage(stage, planFile(directory), "run", stdout);
    const report = readReport(readFileSync(planFile(directory)), layout);
    if (report.failed !== undefined) throw stepError(layout, report);
    if (outcome.status !== 0) throw new Error(`the stage ended with ${outcome.status}: ${outcome.stderr.trim()}`);
    const numberOf = (instruction: Instruction) => layout.instructions.findIndex((p) => p.instruction === instruction);
    return { done: { report, numberOf }, stdout: outcome.stdout };
  } finally {
    dropRun(directory);
  }
}
