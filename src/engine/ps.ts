import { skimRunRecord } from "../container/journal.ts";
import { type ContainerRecord, networksOf, type RunRecord, recordOf } from "../container/record.ts";
import { listRuns, type Run, runsOf } from "../container/runs.ts";
import { listContainerIds, nameOwner, readRecord } from "../container/store.ts";
import type { Engine } from "./context.ts";
import { collectThoroughly } from "./gc.ts";
import { allLeases, type Connection, connectionsOf, type Leases } from "./network/memberships.ts";

/** A container, and its run if it has one that lives. */
export interface Listed {
  readonly container: ContainerRecord;
  readonly run?: Run;
  readonly record?: RunRecord;
  /** While it runs: where it is on networks. */
  readonly connections?: readonly Connection[];
}

/** Containers, newest first; only running ones unless `all`. */
export async function listContainers(engine: Engine, all: boolean): Promise<ContainerRecord[]> {
  return (await listAll(engine, all)).map(({ container }) => container);
}

/** The same with their runs. */
export async function listAll(engine: Engine, all: boolean): Promise<Listed[]> {
  const { stuck } = await collectThoroughly(engine);
  const found = new Map<string, Listed>();
  if (all)
    for (const id of listContainerIds(engine.paths)) {
      const container = readRecord(engine.paths, id);
      // One that is being made has noted a name that does not lead to it yet: it is not there, and nobody's to remove.
      if (container && nameOwner(engine.paths, container.name) === id) found.set(id, { container });
    }
  const leases = allLeases(engine.paths);
  for (const run of listRuns(engine.paths)) {
    const running = stuck.has(run.directory) ? undefined : runningOf(engine, run, leases);
    if (running) found.set(run.id, running);
  }
  return [...found.values()].sort((a, b) => b.container.created - a.container.created);
}

/** One, by its id; undefined if it is not there, or only being made. */
export function listedOf(engine: Engine, id: string): Listed | undefined {
  for (const run of runsOf(engine.paths, id)) {
    const running = runningOf(engine, run);
    if (running) return running;
  }
  const container = readRecord(engine.paths, id);
  return container && { container };
}

function runningOf(engine: Engine, run: Run, leases?: Leases): Listed | undefined {
  try {
    const record = skimRunRecord(run.directory);
    if (!record) return undefined;
    const lasting = record.keep ? readRecord(engine.paths, run.id) : undefined;
    const started = record.started ?? record.created;
    const container: ContainerRecord = { ...(lasting ?? recordOf(record)), status: "running", started };
    const networked = networksOf(record) !== undefined;
    return {
      container,
      run,
      record,
      ...(networked ? { connections: connectionsOf(engine.paths, run, record, leases) } : {}),
    };
  } catch {
    return undefined; // it ended while we looked
  }
}
