/** Undoing a run that was killed, from its journal, and noting the end of its container. */
import { rmSync } from "node:fs";
import { readRunRecord } from "../container/journal.ts";
import { nameFile } from "../container/paths.ts";
import type { RunRecord } from "../container/record.ts";
import { dropRun, planFile, type Run } from "../container/runs.ts";
import { readRecord, writeRecord } from "../container/store.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";

export function recover(engine: Engine, run: Run): void {
  let record: RunRecord | undefined;
  try {
    record = readRunRecord(run.directory);
  } catch {
    // Killed before the plan was written: the directory is all there is.
  }
  // The stage takes the plan's lock first, so that two commands do not clean up the same run; the loser's failure is fine.
  const { status } =
    record || hasPlan(run) ? runStage(engine.stage.path, planFile(run.directory), "recover") : { status: 0 };
  if (status === 0) {
    dropRun(run.directory);
    if (record) settle(engine, record, 137);
  }
}

function hasPlan(run: Run): boolean {
  try {
    readRunRecord(run.directory);
    return true;
  } catch {
    return false;
  }
}

/** Notes the end of a container that stays; frees the name of one that does not. */
export function settle(engine: Engine, run: RunRecord, exitCode: number, oomKilled = false): void {
  if (!run.keep) {
    rmSync(nameFile(engine.paths, run.identity.name), { force: true });
    return;
  }
  const record = readRecord(engine.paths, run.identity.id);
  if (record) writeRecord(engine.paths, { ...record, status: "exited", exitCode, finished: Date.now(), oomKilled });
}
