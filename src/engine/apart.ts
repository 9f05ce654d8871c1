/** What a restart policy says, and a process apart that does it where no monitor is left: of little weight, for `ps` loads it. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import type { ContainerRecord } from "../container/record.ts";
import { parseRestart, restartDelay } from "../spec/restart.ts";
import type { Engine } from "./context.ts";
import { haltFile } from "./halt.ts";

/** Milliseconds until its next run; undefined: there is none. @param record of the end */
export function delayOf(engine: Engine, record: ContainerRecord): number | undefined {
  const { options, exitCode = 0, started = 0, finished = 0, stopped = false, restartCount = 0, waited } = record;
  if (!options || options.rm || existsSync(haltFile(engine))) return undefined;
  const ended = { exitCode, ran: finished - started, stopped, count: restartCount, waited };
  return restartDelay(parseRestart(options.restart), ended);
}

/**
 * Has a process of its own go on as the next run of a container whose monitor was killed, if its policy says so. Whoever finds that
 * out, finishes what was asked of it meanwhile.
 * @param record of the end
 */
export function restartApart(engine: Engine, record: ContainerRecord, softFiles: number | undefined): void {
  if (delayOf(engine, record) === undefined) return;
  const { paths, program } = engine;
  const own = ["--root", paths.root, "--state", paths.state, "again", record.id];
  const args = softFiles === undefined ? own : [...own, String(softFiles)];
  const child = spawn(program, args, { stdio: "ignore", env: {}, detached: true, cwd: "/" });
  child.on("error", () => {}); // it has ended, as is noted
  child.unref();
}
