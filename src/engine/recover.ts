/** Undoing a run that was killed, from its journal, and noting the end of its container. */
import { existsSync, writeSync } from "node:fs";
import { isFrozen } from "../cgroup/frozen.ts";
import { emit } from "../container/events.ts";
import { isContainerId, newIdentity, tokenOf } from "../container/identity.ts";
import { readRunRecord } from "../container/journal.ts";
import { carryOut } from "../container/plans.ts";
import type { ContainerRecord, RunRecord } from "../container/record.ts";
import { claimRun, dropRun, listRuns, planFile, type Run, runsOf } from "../container/runs.ts";
import { withSpare } from "../container/spare.ts";
import {
  changeRecord,
  dropNextRecord,
  listContainerIds,
  listNames,
  nameOwner,
  readRecord,
  releaseName,
  sweepFiles,
  writeRecord,
} from "../container/store.ts";
import { planFreeze } from "../plan/freezer.ts";
import { MONITOR } from "../plan/monitor.ts";
import { runStage } from "../stage/execute.ts";
import { restartApart } from "./apart.ts";
import type { Engine } from "./context.ts";
import { sweepHealth } from "./healthnotes.ts";
import { removeFiles } from "./remove.ts";

/** What a shell gives for SIGKILL: nobody is left who could tell how the container ended. */
const KILLED = 137;

export function recover(engine: Engine, run: Run): void {
  // Plans are written whole or not at all; without one nothing was done.
  if (!existsSync(planFile(run.directory))) {
    dropNextRecord(engine.paths, run.id, tokenOf(run));
    dropRun(run.directory);
    return;
  }
  const record = recordIn(run);
  if (record === "gone") return; // another command was quicker
  let ended: ContainerRecord | undefined;
  const marker = record?.keep ? withSpare(engine.paths.state, () => mark(engine, run.id)) : undefined;
  try {
    const ran = record !== undefined && cameToItsProgram(run, record);
    if (record) letGoOn(engine, record);
    // The stage takes the plan's lock first, so that two commands do not clean up the same run; the loser's failure is fine.
    const { status, stderr } = runStage(engine.stage.path, planFile(run.directory), "recover");
    if (status !== 0) return;
    handOn(stderr);
    if (record?.keep) ended = noteKilled(engine, record, ran);
    if (record && ran) tellKilled(engine, record);
    dropRun(run.directory);
  } finally {
    if (marker !== undefined) dropRun(marker);
  }
  // As docker does when a container's shim was killed.
  if (ended && record) restartApart(engine, ended, record.input.softFiles);
}

/** A run of ours: what others sweep up meanwhile is not this container. Undefined if this process has one already, as for a rename. */
function mark({ paths }: Engine, id: string): string | undefined {
  try {
    return claimRun(paths, { ...newIdentity(undefined), id });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return undefined;
  }
}

/** What programs have said that were started by it. */
function handOn(stderr: string): void {
  for (const line of stderr.split("\n")) if (line.startsWith("vitrine: warning: ")) writeSync(2, `${line}\n`);
}

function recordIn(run: Run): RunRecord | undefined | "gone" {
  try {
    return readRunRecord(run.directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "gone";
    throw error;
  }
}

/** Processes that are held do not end, whatever they are sent. */
function letGoOn(engine: Engine, { facts, input }: RunRecord): void {
  const path = input?.config?.linux.cgroupsPath; // of a run, and not of a process in one
  if (path !== undefined && isFrozen(facts, path))
    carryOut(engine.stage.path, engine.paths, planFreeze(facts, path, false));
}

/** A monitor that holds its run alone has seen the program run. */
function cameToItsProgram(run: Run, { input }: RunRecord): boolean {
  return input.monitor === undefined || existsSync(`${run.directory}/${MONITOR}`);
}

/** Whoever held it could not. */
function tellKilled({ paths }: Engine, { input, keep }: RunRecord): void {
  if (!input.told) return;
  const { id, name, attributes } = input.told;
  emit(paths, "container", "die", id, { ...attributes, name, exitCode: String(KILLED) });
  if (!keep) emit(paths, "container", "destroy", id, { ...attributes, name });
}

/** Returns what has come to an end that its restart policy is to be asked about: one that ran, or waited to be started again. */
function noteKilled(engine: Engine, run: RunRecord, ran: boolean): ContainerRecord | undefined {
  const waited = run.input.restartsIn !== undefined;
  dropNextRecord(engine.paths, run.identity.id, tokenOf(run.identity));
  const record = startedBy(engine, run);
  if (!record) return waited ? readRecord(engine.paths, run.identity.id) : undefined;
  const now = ran ? exited(record, KILLED) : notStarted(record);
  writeRecord(engine.paths, now);
  if (ran && record.options?.rm) removeFiles(engine, record.id, record.name);
  return (ran && !record.options?.rm) || waited ? now : undefined;
}

/** The record, if this run's start is the last that was noted. */
export function startedBy(engine: Engine, run: RunRecord): ContainerRecord | undefined {
  const record = readRecord(engine.paths, run.identity.id);
  return record?.status === "running" && record.lastRun === tokenOf(run.identity) ? record : undefined;
}

/** As it was before a start that did not come to its program. */
export function notStarted(record: ContainerRecord): ContainerRecord {
  const { status, started, error, lastRun } = record.before ?? { status: "created" };
  return { ...record, status, started, error, lastRun, before: undefined };
}

export function exited(record: ContainerRecord, exitCode: number, oomKilled = false): ContainerRecord {
  return { ...record, status: "exited", exitCode, finished: Date.now(), oomKilled, before: undefined };
}

/** A container is there as soon as a name leads to it; which one, is what its record is to say. */
function nameAgain(engine: Engine, record: ContainerRecord, names: Names): void {
  const [other] =
    names.find(([name, owner]) => owner === record.id && nameOwner(engine.paths, name) === record.id) ?? [];
  if (other !== undefined) changeRecord(engine.paths, record.id, (now) => ({ ...now, name: other }));
  else removeFiles(engine, record.id, undefined);
}

type Names = readonly (readonly [name: string, owner: string | undefined])[];

const allNames = ({ paths }: Engine): Names => listNames(paths).map((name) => [name, nameOwner(paths, name)]);

/**
 * After a reboot, or a kill in a bad moment, containers have no run: the one that stays has ended, the other's files go.
 * @param only look at that container alone, and not at names that lead nowhere
 */
export function sweep(engine: Engine, only?: string): void {
  const ids = only === undefined ? listContainerIds(engine.paths) : [only];
  const names = only === undefined ? allNames(engine) : [];
  const runs = only === undefined ? listRuns(engine.paths) : runsOf(engine.paths, only);
  const running = new Set(runs.map((run) => run.id)); // after the ids: a run comes before its files
  for (const [name, owner] of names) {
    if (owner === undefined || !isContainerId(owner) || running.has(owner)) continue;
    const record = readRecord(engine.paths, owner);
    if (!record) removeFiles(engine, owner, name);
    else if (record.name !== name && nameOwner(engine.paths, record.name) === owner)
      releaseName(engine.paths, name, owner); // a rename that was killed
  }
  sweepHealth(engine, (id) => ids.includes(id) || running.has(id));
  for (const id of ids) {
    if (running.has(id)) continue;
    const record = readRecord(engine.paths, id);
    if (!record) {
      removeFiles(engine, id, undefined);
      continue;
    }
    sweepFiles(engine.paths, id);
    if (nameOwner(engine.paths, record.name) !== id) nameAgain(engine, record, only ? allNames(engine) : names);
    else if (record.status === "running") writeRecord(engine.paths, exited(record, KILLED));
  }
}
