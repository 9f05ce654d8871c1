/** A run: one plan in the hands of one stage. Its directory's name tells who owns it, so that one readdir finds what a kill left. */
import { mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { type Identity, runDirectory } from "./identity.ts";
import { type Paths, runsDirectory } from "./paths.ts";
import { processIn, startTime } from "./process.ts";
import { writeWhole } from "./wholefile.ts";

export interface Run {
  readonly id: string;
  readonly pid: number;
  /** Clock ticks since boot. */
  readonly start: string;
  readonly directory: string;
}

/** Claims a directory for a run of this process, which may go on as the stage (same pid, same start time). */
export function claimRun(paths: Paths, identity: Identity): string {
  const directory = runDirectory(paths, identity);
  try {
    mkdirSync(directory, 0o700);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  }
  return directory;
}

/** Of its directory. */
export const nameOf = ({ directory }: Pick<Run, "directory">) => directory.slice(directory.lastIndexOf("/") + 1);

export const planFile = (directory: string) => `${directory}/plan`;

/** Whole or not at all: a plan is only read under its own name. */
export function writePlan(directory: string, file: Uint8Array): void {
  writeWhole(planFile(directory), file, `${planFile(directory)}.new`);
}

/** Its files and the directory itself. Nothing deeper: whatever else may have come to be there is not a run's. */
export function dropRun(directory: string): void {
  try {
    for (const entry of readdirSync(directory, { withFileTypes: true }))
      if (!entry.isDirectory()) rmSync(`${directory}/${entry.name}`, { force: true });
    rmdirSync(directory);
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "ENOTDIR", "ENOTEMPTY"].includes(code)) throw error;
  }
}

/** @throws USAGE for a directory that is no run of ours, as is named by mistake: a run is taken away */
export function checkRun(paths: Paths, directory: string): string {
  const above = `${runsDirectory(paths)}/`;
  if (directory.startsWith(above) && RUN_NAME.test(directory.slice(above.length))) return directory;
  throw new VitrineError("USAGE", `"${directory}": not the directory of a run`, {
    hint: `runs are directories in ${runsDirectory(paths)}; the stage names them when it starts this command`,
  });
}

/** See runDirectory. */
const RUN_NAME = /^[0-9a-f]{64}\.\d+\.\d+$/;

export function listRuns(paths: Paths): Run[] {
  return parseRuns(paths, runNames(paths));
}

/** Of one container: the container's own, and those of commands that work on it. */
export function runsOf(paths: Paths, id: string): Run[] {
  return parseRuns(
    paths,
    runNames(paths).filter((name) => name.startsWith(`${id}.`)),
  );
}

/** Of their directories, as they are; there may be a thousand. */
export function runNames(paths: Paths): string[] {
  try {
    return readdirSync(runsDirectory(paths));
  } catch {
    return [];
  }
}

const parseRuns = (paths: Paths, names: readonly string[]) =>
  names.flatMap((name) => parseRun(runsDirectory(paths), name) ?? []);

/** @param name of its directory in `directory` */
export function parseRun(directory: string, name: string): Run | undefined {
  const [id, pid, start] = name.split(".");
  if (!id || !pid || !start) return undefined;
  return { id, pid: Number(pid), start: start.replace(/^0+/, ""), directory: `${directory}/${name}` };
}

/** Who holds a run: the process that its directory is named after, or its monitor, once that holds it alone. */
export function holderOf(run: Run): Pick<Run, "pid" | "start"> {
  return readMonitor(run.directory) ?? run;
}

/** What the monitor wrote down of itself: /proc/PID/stat. */
export function readMonitor(directory: string): Pick<Run, "pid" | "start"> | undefined {
  try {
    return processIn(readFileSync(`${directory}/monitor`, "latin1"));
  } catch {
    return undefined;
  }
}

export function isAlive(run: Run): boolean {
  const { pid, start } = holderOf(run);
  return startTime(pid) === start;
}

/** Also if the pid is another process's by now. */
export function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
