/**
 * A run: one plan in the hands of one stage. Its directory is `ID.PID.STARTTIME`, so that one readdir tells who owns
 * which run: a process is known by pid and start time (proc_pid_stat(5), field 22); a boot ends all runs.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type Paths, runsDirectory } from "./paths.ts";

export interface Run {
  readonly id: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly start: string;
  readonly directory: string;
}

/** Claims a directory for a run of this process, which may go on as the stage (same pid, same start time). */
export function claimRun(paths: Paths, id: string): Run {
  const start = startTime(process.pid);
  if (start === undefined) throw new Error("/proc/self/stat cannot be read: is /proc mounted?");
  const directory = `${runsDirectory(paths)}/${id}.${process.pid}.${start}`;
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  return { id, pid: process.pid, start, directory };
}

export const planFile = (directory: string) => `${directory}/plan`;

export function writePlan(run: Run, file: Uint8Array): void {
  writeFileSync(planFile(run.directory), file, { mode: 0o600 });
}

export function dropRun(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
}

export function listRuns(paths: Paths): Run[] {
  let names: string[];
  try {
    names = readdirSync(runsDirectory(paths));
  } catch {
    return [];
  }
  const runs: Run[] = [];
  for (const name of names) {
    const run = parseRun(`${runsDirectory(paths)}/${name}`);
    if (run) runs.push(run);
  }
  return runs;
}

export function parseRun(directory: string): Run | undefined {
  const [id, pid, start] = directory.slice(directory.lastIndexOf("/") + 1).split(".");
  return id && pid && start ? { id, pid: Number(pid), start, directory } : undefined;
}

export function isAlive(run: Run): boolean {
  return startTime(run.pid) === run.start;
}

/** Quick and a little too kind: a pid that was given to another process counts as alive. */
export function mayBeAlive(run: Run): boolean {
  try {
    return process.kill(run.pid, 0);
  } catch {
    return false;
  }
}

function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name may have blanks and parentheses
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
