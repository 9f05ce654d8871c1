/** Ending containers that run, and waiting for their end. */
import { carryOut } from "../container/plans.ts";
import { signalProcess } from "../container/process.ts";
import { holderOf, isAlive, type Run } from "../container/runs.ts";
import { noteStopped, readRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { SIGKILL } from "../linux/constants.ts";
import { signalNumber } from "../linux/signals.ts";
import { planWait, planWaitProcess } from "../plan/client.ts";
import { LOST, type Op } from "../plan/plan.ts";
import { noteRemoval } from "../plan/removal.ts";
import { stateOf } from "./containerstate.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { collectOf } from "./gc.ts";
import { listAll } from "./ps.ts";
import {
  ENDING_MS,
  findRunning,
  isRunning,
  isWaiting,
  napAfter,
  needRunning,
  type Running,
  runningById,
  signal,
  waitUntilOver,
} from "./running.ts";

const STOP_SECONDS = 10;
const KILL_WAIT_MS = 10_000;
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
  let stopped: Running["container"] | undefined;
  await eachRun(engine, nameOrId, (found) => {
    stopped = found.container;
    return endInTime(engine, found, asked);
  });
  if (stopped) containerEvent(engine, "stop", stopped);
  return nameOrId;
}

async function endInTime(
  engine: Engine,
  found: Running,
  asked: { seconds?: number | undefined; signal?: number | undefined },
): Promise<void> {
  const seconds = asked.seconds ?? Number(annotation(found, "dev.vitrine.stopTimeout") ?? STOP_SECONDS);
  await tell(engine, found, asked.signal ?? stopSignal(found));
  const over = await waitMeanwhile(found.run, seconds < 0 ? Number.POSITIVE_INFINITY : seconds * 1000);
  if (!over) await end(engine, found);
}

/** The same, while this process does other things too. */
async function waitMeanwhile(run: Run, milliseconds: number): Promise<boolean> {
  const began = performance.now();
  for (let waited = 0; isAlive(run); waited = performance.now() - began) {
    if (waited >= milliseconds) return false;
    await new Promise((resolve) => setTimeout(resolve, napAfter(waited)));
  }
  return true;
}

/** No user has wished it: its restart policy has it run again at the next boot. */
export async function endForNow(engine: Engine, id: string, seconds: number | undefined): Promise<void> {
  const found = await runningById(engine, id);
  if (!found) return;
  await (isWaiting(found) ? endWaiting(found) : endInTime(engine, found, { seconds }));
  await collectOf(engine, id);
}

/** Ends it at once. @param removed it is removed then: nobody asks how it ended @throws NOT_FOUND */
export async function stopForGood(engine: Engine, nameOrId: string, removed = false): Promise<void> {
  await eachRun(engine, nameOrId, (found) => end(engine, found, removed));
}

/** What runs, and what its restart policy has started meanwhile. */
async function eachRun(engine: Engine, nameOrId: string, stop: (found: Running) => Promise<void>): Promise<void> {
  let found = await findRunning(engine, nameOrId);
  while (isRunning(found)) {
    noteStopped(engine.paths, found.container.id);
    await (isWaiting(found) ? endWaiting(found) : stop(found));
    await collectOf(engine, found.container.id);
    const next = await runningById(engine, found.container.id);
    if (!next?.record.restarts || next.run.directory === found.run.directory) return;
    found = next;
  }
}

/** Whoever waits for the time of a restart holds nothing yet. */
async function endWaiting({ run }: Running): Promise<void> {
  if (isAlive(run)) signalProcess(holderOf(run).pid, "SIGKILL");
  await waitMeanwhile(run, KILL_WAIT_MS);
}

/** Processes that are held get it when they go on. */
async function tell(engine: Engine, found: Running, number: number, then?: readonly Op[]): Promise<void> {
  send(engine, found, number, then);
  const { thaw } = await import("./pause.ts");
  thaw(engine, found);
}

function send(engine: Engine, found: Running, number: number, then?: readonly Op[]): void {
  signal(engine, found, number, then);
  containerEvent(engine, "kill", found.container, { signal: String(number) });
}

function annotation({ record }: Running, name: string): string | undefined {
  return record.input.config.annotations?.[name];
}

function stopSignal(found: Running): number {
  return signalNumber(annotation(found, "org.opencontainers.image.stopSignal") ?? "") ?? SIGTERM;
}

/** To its first process, as if it came from within. */
export async function signalFirst(engine: Engine, id: string, number: number): Promise<void> {
  const found = await runningById(engine, id);
  if (found && !isWaiting(found)) await tell(engine, found, number);
}

/** Returns the name as it was given. Signals that end it are told to its restart policy. @throws CONFLICT if it does not run */
export async function killContainer(engine: Engine, nameOrId: string, number: number): Promise<string> {
  const found = await needRunning(engine, nameOrId);
  const ends = number === SIGKILL || number === stopSignal(found);
  if (!ends) {
    if (!isWaiting(found)) send(engine, found, number);
    return nameOrId;
  }
  noteStopped(engine.paths, found.container.id);
  if (isWaiting(found)) await endWaiting(found);
  else await tell(engine, found, number);
  // It may have ended by itself a moment before, and wait already.
  const next = await runningById(engine, found.container.id);
  if (next?.record.restarts && next.run.directory !== found.run.directory) await stopForGood(engine, next.container.id);
  return nameOrId;
}

/** SIGKILL, and if that is of no use the same for whoever holds it. */
export async function end(engine: Engine, running: Running, removed = false): Promise<void> {
  const keeps = removed && running.record.keep;
  await tell(engine, running, SIGKILL, keeps ? [noteRemoval(running.record.input.directory)] : []);
  if (await waitMeanwhile(running.run, KILL_WAIT_MS)) return;
  if (isAlive(running.run)) signalProcess(holderOf(running.run).pid, "SIGKILL");
  await waitMeanwhile(running.run, KILL_WAIT_MS);
}

export const CONDITIONS = [
  "not-running",
  "next-exit",
  "removed",
  "running",
  "created",
  "exited",
  "stopped",
  "paused",
] as const;
export type Condition = (typeof CONDITIONS)[number];

/** Its exit status, when it has ended for good, or when that is so. */
export async function waitForContainer(
  engine: Engine,
  nameOrId: string,
  condition: Condition = "not-running",
): Promise<number> {
  let found = await findRunning(engine, nameOrId);
  const id = isRunning(found) ? found.container.id : found.id;
  if (condition === "removed" || condition === "running" || condition === "created" || condition === "paused")
    return untilSeen(engine, id, condition);
  if ((condition === "exited" || condition === "stopped") && !isRunning(found)) return untilSeen(engine, id, "exited");
  if (condition === "next-exit" && !isRunning(found)) await untilSeen(engine, id, "running");
  let status: number | undefined = isRunning(found) ? undefined : found.exitCode;
  for (let running = await runningById(engine, id); running; running = await runningById(engine, id)) {
    found = running;
    status = await endOf(engine, running);
    if (condition === "next-exit" && !isWaiting(running)) break;
  }
  status ??= readRecord(engine.paths, id)?.exitCode; // it has ended between two looks
  if (isRunning(found) && status === undefined)
    throw new VitrineError(
      "UNSUPPORTED",
      `container ${found.container.name} has ended; its exit status went to the command that ran it`,
      { hint: "run it without --rm, with -d, or with --log-driver local" },
    );
  return status ?? 0;
}

async function endOf(engine: Engine, found: Running): Promise<number | undefined> {
  const told = isWaiting(found)
    ? undefined
    : found.record.input.monitor
      ? askMonitor(engine, found)
      : askKernel(engine, found);
  waitUntilOver(found.run, Number.POSITIVE_INFINITY);
  await collectOf(engine, found.container.id);
  return told ?? readRecord(engine.paths, found.container.id)?.exitCode;
}

const LOOK_AGAIN_MS = 100;

/** Nobody tells of it: it is looked for, again and again. */
async function untilSeen(engine: Engine, id: string, condition: Condition): Promise<number> {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  let last = 0;
  for (;;) {
    const listed = (await listAll(engine, true)).find(({ container }) => container.id === id);
    last = listed?.container.exitCode ?? last;
    if (!listed) {
      if (condition === "removed") return last;
      throw new VitrineError("NOT_FOUND", `container ${id.slice(0, 12)} was removed meanwhile`);
    }
    if (condition !== "removed" && stateOf(listed) === condition) return last;
    Atomics.wait(pause, 0, 0, LOOK_AGAIN_MS);
  }
}

/** Where the command itself holds the container, its own status is the container's. Undefined before Linux 6.15. */
function askKernel({ stage, paths }: Engine, { run }: Running): number | undefined {
  const { ops, status } = planWaitProcess(run.pid);
  try {
    const { report, numberOf } = carryOut(stage.path, paths, ops);
    const code = Number(report.records[numberOf(status)]?.result ?? -1n);
    const signal = code & 0x7f;
    return code < 0 ? undefined : signal === 0 ? (code >> 8) & 0xff : 128 + signal;
  } catch {
    return undefined; // it has ended before, or this kernel does not tell
  }
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
