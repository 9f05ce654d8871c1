/** A container by its name or id, found without reading the others. */
import { isContainerId } from "../container/identity.ts";
import { readRunRecord } from "../container/journal.ts";
import { listRuns, type Run, runsOf } from "../container/runs.ts";
import { listContainerIds, nameOwner } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";

export interface Found {
  readonly id: string;
  /** One of them may be the container's; others are of commands that work on it. */
  readonly runs: readonly Run[];
}

/** By name, id, or the unambiguous beginning of an id. @throws NOT_FOUND, INVALID */
export function lookUp({ paths }: Engine, asked: string): Found {
  const nameOrId = asked.replace(/^\//, ""); // as inspect shows a name
  const found = (id: string): Found => ({ id, runs: runsOf(paths, id) });
  const named = /^[\w.-]+$/.test(nameOrId) ? nameOwner(paths, nameOrId) : undefined;
  if (named !== undefined && isContainerId(named)) return found(named);
  const begins = (id: string) => /^[0-9a-f]+$/.test(nameOrId) && id.startsWith(nameOrId);
  const kept = listContainerIds(paths).filter(begins);
  const running = listRuns(paths).filter((run) => begins(run.id) && !kept.includes(run.id) && isContainers(run));
  const ids = [...new Set([...kept, ...running.map((run) => run.id)])];
  const [id, ...more] = ids;
  if (id === undefined)
    throw new VitrineError("NOT_FOUND", `no container "${nameOrId}"`, { hint: "vitrine ps -a lists them" });
  if (more.length > 0)
    throw new VitrineError("INVALID", `"${nameOrId}" is the beginning of ${ids.length} ids`, {
      hint: "write more of it",
    });
  return found(id);
}

/** Other commands have runs, too. */
function isContainers(run: Run): boolean {
  try {
    return readRunRecord(run.directory) !== undefined;
  } catch {
    return false; // it has just ended
  }
}
