/** Ending containers that run, and waiting for their end. */

import { carryOut } from "../container/plans.ts";
import { readRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { signalNumber } from "../linux/signals.ts";
import { planWait } from "../plan/client.ts";
import { LOST } from "../plan/plan.ts";
import type { Engine } from "./context.ts";
import { collectThoroughly } from "./gc.ts";
import { ENDING_MS, findRunning, isRunning, needRunning, type Running, signal, waitUntilOver } from "./running.ts";

const STOP_SECONDS = 10;
const KILL_WAIT_MS = 10_000;
const SIGKILL = 9;
const SIGTERM = 15;

/**
 * Its stop signal, and SIGKILL when it has not ended after a while; nothing if it has ended already.
 * Returns the name as it was given.
 * @param seconds -1: wait for ever; undefined: as the container says, or ten
 */
export async function stopContainer(
  engine: Engine,
  nameOrId: string,
  asked: { seconds?: number | undefined; signal?: number | undefined },
): Promise<string> {
  const found = await findRunning(engine, nameOrId);
  if (!isRunning(found)) return nameOrId;
  const { annotations = {} } = found.record.input.config;
  const own = signalNumber(annotations["org.opencontainers.image.stopSignal"] ?? "") ?? SIGTERM;
  const seconds = asked.seconds ?? Number(annotations["dev.vitrine.stopTimeout"] ?? STOP_SECONDS);
  signal(engine, found, asked.signal ?? own);
  if (!waitUntilOver(found.run, seconds < 0 ? Number.POSITIVE_INFINITY : seconds * 1000)) await end(engine, found);
  await collectThoroughly(engine);
  return nameOrId;
}

/** Returns the name as it was given. @throws CONFLICT if it does not run */
export async function killContainer(engine: Engine, nameOrId: string, number: number): Promise<string> {
  signal(engine, await needRunning(engine, nameOrId), number);
  return nameOrId;
}

/** SIGKILL, and if that is of no use the same for whoever holds it. */
export async function end(engine: Engine, running: Running): Promise<void> {
  signal(engine, running, SIGKILL);
  if (waitUntilOver(running.run, KILL_WAIT_MS)) return;
  const { holderOf, isAlive } = await import("../container/runs.ts");
  if (isAlive(running.run)) process.kill(holderOf(running.run).pid, "SIGKILL");
  waitUntilOver(running.run, KILL_WAIT_MS);
}

/** Its exit status, when it has ended. */
export async function waitForContainer(engine: Engine, nameOrId: string): Promise<number> {
  const found = await findRunning(engine, nameOrId);
  if (!isRunning(found)) return found.exitCode ?? 0;
  const told = found.record.input.monitor ? askMonitor(engine, found) : undefined;
  waitUntilOver(found.run, Number.POSITIVE_INFINITY);
  await collectThoroughly(engine);
  const status = told ?? readRecord(engine.paths, found.container.id)?.exitCode;
  if (status === undefined)
    throw new VitrineError(
      "UNSUPPORTED",
      `container ${found.container.name} has ended; its exit status went to the command that ran it`,
      { hint: "run it with -d, or without --rm" },
    );
  return status;
}

function askMonitor({ stage, paths }: Engine, { run }: Running): number | undefined {
  try {
    const { ops, status } = planWait(run.directory);
    const { report, numberOf } = carryOut(stage.path, paths, ops);
    const result = Number(report.records[numberOf(status)]?.result ?? LOST);
    return result > 255 ? undefined : result; // LOST, REFUSED
  } catch (error) {
    if (waitUntilOver(run, ENDING_MS)) return undefined; // it was about to end
    throw error;
  }
}
