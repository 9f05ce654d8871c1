import { readRunRecord } from "../container/journal.ts";
import { type ContainerRecord, recordOf } from "../container/record.ts";
import { listRuns } from "../container/runs.ts";
import { listContainerIds, readRecord } from "../container/store.ts";
import type { Engine } from "./context.ts";
import { collectThoroughly } from "./gc.ts";

/** Containers, newest first; only running ones unless `all`. */
export async function listContainers(engine: Engine, all: boolean): Promise<ContainerRecord[]> {
  await collectThoroughly(engine);
  const found = new Map<string, ContainerRecord>();
  if (all)
    for (const id of listContainerIds(engine.paths)) {
      const record = readRecord(engine.paths, id);
      if (record) found.set(id, record);
    }
  for (const run of listRuns(engine.paths)) {
    const record = runningRecord(engine, run.directory);
    if (record) found.set(run.id, record);
  }
  return [...found.values()].sort((a, b) => b.created - a.created);
}

function runningRecord(engine: Engine, directory: string): ContainerRecord | undefined {
  try {
    const run = readRunRecord(directory);
    if (!run) return undefined;
    const lasting = run.keep ? readRecord(engine.paths, run.identity.id) : undefined;
    return { ...(lasting ?? recordOf(run)), status: "running", started: run.started ?? run.created };
  } catch {
    return undefined; // it ended while we looked
  }
}
