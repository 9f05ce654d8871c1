/** Undoing a run that was killed, from its journal, and noting the end of its container. */
import { existsSync } from "node:fs";
import { isContainerId } from "../container/identity.ts";
import { readRunRecord } from "../container/journal.ts";
import type { RunRecord } from "../container/record.ts";
import { dropRun, listRuns, planFile, type Run } from "../container/runs.ts";
import { listContainerIds, listNames, nameOwner, readRecord, writeRecord } from "../container/store.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { removeFiles } from "./remove.ts";

/** What a shell gives for SIGKILL: nobody is left who could tell how the container ended. */
const KILLED = 137;

export function recover(engine: Engine, run: Run): void {
  // Plans are written whole or not at all; without one nothing was done.
  if (!existsSync(planFile(run.directory))) {
    dropRun(run.directory);
    return;
  }
  const record = readRunRecord(run.directory);
  if (record) settle(engine, record, KILLED); // while the journal is still there to say it again
  // The stage takes the plan's lock first, so that two commands do not clean up the same run; the loser's failure is fine.
  const { status } = runStage(engine.stage.path, planFile(run.directory), "recover");
  if (status === 0) dropRun(run.directory);
}

/** Notes the end of a container that stays, if nobody has done so. */
export function settle(engine: Engine, { keep, identity }: RunRecord, exitCode: number, oomKilled = false): void {
  const record = keep ? readRecord(engine.paths, identity.id) : undefined;
  if (record?.status === "running")
    writeRecord(engine.paths, { ...record, status: "exited", exitCode, finished: Date.now(), oomKilled });
}

/** After a reboot, or a kill in a bad moment, containers have no run: the one that stays has ended, the other's files go. */
export function sweep(engine: Engine): void {
  const ids = listContainerIds(engine.paths);
  const names = listNames(engine.paths).map((name) => [name, nameOwner(engine.paths, name)] as const);
  const running = new Set(listRuns(engine.paths).map((run) => run.id)); // after the ids: a run comes before its files
  for (const [name, owner] of names) {
    if (owner !== undefined && isContainerId(owner) && !running.has(owner) && !readRecord(engine.paths, owner))
      removeFiles(engine, owner, name);
  }
  for (const id of ids) {
    if (running.has(id)) continue;
    const record = readRecord(engine.paths, id);
    if (!record) removeFiles(engine, id, undefined);
    else if (record.status === "running")
      writeRecord(engine.paths, { ...record, status: "exited", exitCode: KILLED, finished: Date.now() });
  }
}
