/** Containers that run: by name, with their run; and signals to them. */
import { tokenOf } from "../container/identity.ts";
import { carryOut } from "../container/plans.ts";
import { signalProcess } from "../container/process.ts";
import type { ContainerRecord, RunRecord } from "../container/record.ts";
import { holderOf, isAlive, type Run } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { planSignal } from "../plan/client.ts";
import type { Op } from "../plan/plan.ts";
import type { Engine } from "./context.ts";
import { findListed } from "./find.ts";
import { collectOf } from "./gc.ts";
import { listedOf } from "./ps.ts";

/** A monitor that listens no more is taking away what is left, which may take a while. */
export const ENDING_MS = 10_000;

export interface Running {
  readonly container: ContainerRecord;
  readonly run: Run;
  readonly record: RunRecord;
}

/** Undefined if the container is there and does not run. @throws NOT_FOUND */
export async function findRunning(engine: Engine, nameOrId: string): Promise<Running | ContainerRecord> {
  const { container, run, record } = await findListed(engine, nameOrId);
  return run && record ? { container, run, record } : container;
}

/** The run of a container that is known already. */
export async function runningById(engine: Engine, id: string): Promise<Running | undefined> {
  await collectOf(engine, id);
  const { container, run, record } = listedOf(engine, id) ?? {};
  return container && run && record ? { container, run, record } : undefined;
}

/** Its restart policy has it wait; nothing of it is there. */
export function isWaiting({ container, record }: Pick<Running, "container" | "record">): boolean {
  return record.wakes !== undefined && container.lastRun !== tokenOf(record.identity);
}

export function isRunning(found: Running | ContainerRecord): found is Running {
  return "run" in found;
}

/** @throws CONFLICT if it does not run */
export async function needRunning(engine: Engine, nameOrId: string): Promise<Running> {
  const found = await findRunning(engine, nameOrId);
  if (!isRunning(found)) throw new VitrineError("CONFLICT", `container ${found.name} is not running`);
  return found;
}

/**
 * To the container's first process; by whoever holds the container, so that no stranger is hit.
 * @param then what is to be done besides, once it is sent
 */
export function signal(
  engine: Engine,
  { run, record }: Pick<Running, "run" | "record">,
  number: number,
  then: readonly Op[] = [],
): void {
  if (record.input.monitor && holderOf(run) !== run) {
    try {
      carryOut(engine.stage.path, engine.paths, [...planSignal(run.directory, number), ...then]);
    } catch (error) {
      if (!waitUntilOver(run, ENDING_MS)) throw error; // else it was about to end
    }
  } else if (isAlive(run)) signalProcess(run.pid, number); // the stage hands it on; with SIGKILL both end
}

/** Until all of it is taken away. @param milliseconds Infinity: as long as it takes. Returns whether it is over */
export function waitUntilOver(run: Run, milliseconds: number): boolean {
  const began = performance.now();
  const pause = new Int32Array(new SharedArrayBuffer(4));
  for (let waited = 0; isAlive(run); waited = performance.now() - began) {
    if (waited >= milliseconds) return false;
    Atomics.wait(pause, 0, 0, napAfter(waited));
  }
  return true;
}

/** Milliseconds; no end is seen by more than a tenth too late, and one that is long in coming costs no time of a CPU. */
export const napAfter = (waited: number) => Math.min(50, Math.max(1, waited / 10));
