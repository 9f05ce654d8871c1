/** Small plans of the engine's own (probing, assembling, removing), carried out by the stage as a child. */
import { existsSync, readFileSync } from "node:fs";
import type { VitrineError } from "../errors.ts";
import { currentArch } from "../linux/arch.ts";
import { awaitEnd, lockPlan, recovery } from "../plan/life.ts";
import type { VisitPlan } from "../plan/network/connect.ts";
import type { Instruction, Op, Plan } from "../plan/plan.ts";
import { encode } from "../stage/encode.ts";
import { NotStarted, runStage, startStage, type Working } from "../stage/execute.ts";
import { type Report, readReport } from "../stage/report.ts";
import { type FailedStep, failedStep, stepError } from "./failure.ts";
import { needThreads } from "./headroom.ts";
import { newIdentity } from "./identity.ts";
import type { Paths } from "./paths.ts";
import { claimRun, dropRun, planFile, writePlan } from "./runs.ts";
import { keepSpare, withSpare } from "./spare.ts";

export interface Done {
  readonly report: Report;
  /** Where an instruction stands in the report. */
  numberOf(instruction: Instruction): number;
}

/** Carries out `ops`; on failure undoes them and throws STEP_FAILED. */
export function carryOut(stage: string, paths: Paths, ops: readonly Op[]): Done {
  return perform(stage, paths, () => ops, "drop").done;
}

/** The same for a visit. */
export function carryOutVisit(stage: string, paths: Paths, { begin, ops, failed }: VisitPlan): void {
  perform(stage, paths, (directory) => [...begin(directory, process.pid), ...ops], "drop", failed);
}

/** The same for ops that write to standard output; returns what they wrote. */
export function readOut(stage: string, paths: Paths, ops: readonly Op[]): Uint8Array {
  return perform(stage, paths, () => ops, "take").stdout;
}

/** A step that failed, and the error that tells of it. */
export interface Failed {
  readonly instruction: Instruction;
  readonly step: FailedStep;
  readonly report: Report;
  readonly error: VitrineError;
}

/** Files that go in and come out while the plan is carried out. */
export type Talk<T> = (stage: Pick<Working, "write" | "output">, signal: AbortSignal | undefined) => Promise<T>;

/**
 * Carries out `ops` of which one reads standard input or writes standard output, and lets `talk` speak with it meanwhile. If `talk`
 * throws or is aborted, the stage's input ends there: what it did is undone, and that error is thrown.
 * @param tell what the user is told of a failed step, instead of STEP_FAILED
 */
export async function converse<T>(
  stage: string,
  paths: Paths,
  ops: readonly Op[],
  talk: Talk<T>,
  options: { signal?: AbortSignal | undefined; tell?: (failed: Failed) => VitrineError } = {},
): Promise<T> {
  options.signal?.throwIfAborted();
  needThreads();
  const directory = claimRun(paths, newIdentity(undefined));
  const { op: lock } = lockPlan({ directory });
  const { file, layout } = encode(planOf(directory, [lock, ...ops]), currentArch());
  let [begun, settled] = [false, false];
  try {
    writePlan(directory, file);
    const working = await startStage(stage, planFile(directory));
    begun = true;
    const said = await hear(working, talk, options.signal);
    const { status, stderr } = await working.ended;
    const report = readReport(readFileSync(planFile(directory)), layout);
    settled = status === 0;
    if ("error" in said && !isEndOfStage(said.error)) throw said.error;
    if (report.failed !== undefined) {
      const error = stepError(layout, report);
      const step = failedStep(layout, report);
      const instruction = layout.instructions[report.failed]?.instruction;
      throw step && instruction && options.tell ? options.tell({ instruction, step, report, error }) : error;
    }
    if (status !== 0) throw new Error(`the stage ended with ${status}: ${stderr.trim()}`);
    if ("error" in said) throw said.error;
    return said.value;
  } finally {
    if (!begun || settled || takeBack(stage, directory)) dropRun(directory);
  }
}

/** A process that waits until a run has ended. @param run its directory */
export async function watchPlan(
  stage: string,
  paths: Paths,
  run: string,
): Promise<{ over: Promise<void>; close(): void }> {
  const directory = claimRun(paths, newIdentity(undefined));
  const { file } = encode(planOf(directory, [awaitEnd({ directory: run })]), currentArch());
  try {
    writePlan(directory, file);
    const working = await startStage(stage, planFile(directory));
    discard(working.output);
    working.close();
    return {
      over: working.ended.then(() => undefined),
      close: () => {
        working.kill();
        dropRun(directory);
      },
    };
  } catch (error) {
    dropRun(directory);
    throw error;
  }
}

async function hear<T>(
  working: Working,
  talk: Talk<T>,
  signal: AbortSignal | undefined,
): Promise<{ value: T } | { error: unknown }> {
  const stop = () => working.close();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    const value = await talk(working, signal);
    signal?.throwIfAborted();
    return { value };
  } catch (error) {
    return { error: signal?.aborted ? signal.reason : error };
  } finally {
    signal?.removeEventListener("abort", stop);
    working.close();
    discard(working.output);
  }
}

/** A stage that cannot write does not end. */
function discard(output: AsyncIterable<Uint8Array>): void {
  (output as NodeJS.ReadableStream).resume();
}

/** It will say itself why. */
function isEndOfStage(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === "EPIPE" ||
    code === "ECONNRESET" ||
    code === "ERR_STREAM_DESTROYED" ||
    code === "ERR_STREAM_WRITE_AFTER_END"
  );
}

/** What a stage that was killed has left, or could not undo; what it has undone itself is left out. */
function takeBack(stage: string, directory: string): boolean {
  return !existsSync(planFile(directory)) || runStage(stage, planFile(directory), "recover").status === 0;
}

function perform(
  stage: string,
  paths: Paths,
  opsIn: (directory: string) => readonly Op[],
  stdout: "take" | "drop",
  failed: readonly Op[] = [],
): { done: Done; stdout: Uint8Array } {
  const identity = newIdentity(undefined);
  const directory = withSpare(paths.state, () => claimRun(paths, identity));
  const { file, layout } = encode(planOf(directory, opsIn(directory), failed), currentArch());
  let settled = false;
  try {
    withSpare(paths.state, () => writePlan(directory, file));
    const outcome = runStage(stage, planFile(directory), "run", stdout);
    settled = outcome.status === 0;
    const report = readReport(readFileSync(planFile(directory)), layout);
    if (report.failed !== undefined) throw stepError(layout, report);
    if (outcome.status !== 0) throw new Error(`the stage ended with ${outcome.status}: ${outcome.stderr.trim()}`);
    const numberOf = (instruction: Instruction) => layout.instructions.findIndex((p) => p.instruction === instruction);
    return { done: { report, numberOf }, stdout: outcome.stdout };
  } catch (error) {
    settled ||= error instanceof NotStarted;
    throw error;
  } finally {
    if (settled || takeBack(stage, directory)) dropRun(directory);
    keepSpare(paths.state);
  }
}

function planOf(directory: string, ops: readonly Op[], failed: readonly Op[] = []): Plan {
  const place = { directory, program: "", arguments: [], env: [] };
  const undo: Op = {
    call: "unlinkat",
    object: "what was done so far",
    where: "host",
    why: "A failure leaves nothing.",
    does: [{ do: "undo" }],
  };
  return { run: [{ phase: "Image", ops }], failed: [...failed, undo], recover: recovery(place) };
}
