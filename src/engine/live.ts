/** A container that runs, as another process can get into it or look at it. */
import { readFileSync } from "node:fs";
import { isFrozen } from "../cgroup/frozen.ts";
import { readRunRecord } from "../container/journal.ts";
import type { RunRecord } from "../container/record.ts";
import { holderOf, isAlive, type Run } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { KEPT_PIDFD } from "../plan/life.ts";
import type { Engine } from "./context.ts";
import { lookUp } from "./lookup.ts";

export interface Live {
  readonly run: Run;
  readonly record: RunRecord;
  /** Its first process, as the host counts. */
  readonly pid: number;
  /** Of its pidfd: by this the process is told from a stranger with the same pid (Linux 6.9 and later). */
  readonly inode: number;
  readonly paused: boolean;
}

/** @throws NOT_FOUND, INVALID; CONFLICT if it does not run */
export function needLive(engine: Engine, nameOrId: string): Live {
  const { id, runs } = lookUp(engine, nameOrId);
  const live = liveAmong(runs);
  if (!live) throw notRunning(nameOrId, id);
  return live;
}

export function notRunning(name: string, id: string): VitrineError {
  return new VitrineError("CONFLICT", `container ${name} is not running`, {
    hint: `vitrine ps -a --no-trunc shows what became of ${id.slice(0, 12)}`,
  });
}

/** The one that holds the container. */
export function liveAmong(runs: readonly Run[]): Live | undefined {
  for (const run of runs) {
    const live = readLive(run);
    if (live) return live;
  }
  return undefined;
}

/** Undefined if it is only starting, or has ended. */
export function readLive(run: Run): Live | undefined {
  try {
    if (!isAlive(run)) return undefined;
    const process = processOf(holderOf(run).pid);
    const record = process && readRunRecord(run.directory);
    if (!process || !record) return undefined;
    return { run, record, ...process, paused: isFrozen(record.facts, record.input.config.linux.cgroupsPath) };
  } catch {
    return undefined; // it has just ended
  }
}

/** Of its first process; undefined if there is none yet, or any more. */
export function pidOf(run: Run): number | undefined {
  try {
    return processOf(holderOf(run).pid)?.pid;
  } catch {
    return undefined;
  }
}

/** Whoever holds a container has its first process's pidfd, in a place that is known (src/plan/life.ts, letGo). */
function processOf(holder: number): { pid: number; inode: number } | undefined {
  const text = readFileSync(`/proc/${holder}/fdinfo/${KEPT_PIDFD}`, "latin1");
  const number = (name: string) => Number(new RegExp(`^${name}:\\s*(-?\\d+)$`, "m").exec(text)?.[1] ?? 0);
  const pid = number("Pid");
  return pid > 0 ? { pid, inode: number("ino") } : undefined;
}
