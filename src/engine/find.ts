import type { ContainerRecord } from "../container/record.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { listContainers } from "./ps.ts";

/** A container by name, id, or the unambiguous beginning of an id. */
export async function findContainer(engine: Engine, nameOrId: string): Promise<ContainerRecord> {
  return pick(await listContainers(engine, true), nameOrId, (container) => container);
}

/** The same among those that are listed already. @throws NOT_FOUND, INVALID */
export function pick<T>(all: readonly T[], nameOrId: string, of: (item: T) => ContainerRecord): T {
  const name = nameOrId.replace(/^\//, ""); // as inspect shows it
  const exact = all.filter((item) => of(item).name === name || of(item).id === nameOrId);
  const found =
    exact.length > 0 ? exact : all.filter((item) => nameOrId.length > 0 && of(item).id.startsWith(nameOrId));
  const [first] = found;
  if (!first) throw new VitrineError("NOT_FOUND", `no container "${nameOrId}"`, { hint: "vitrine ps -a lists them" });
  if (found.length > 1)
    throw new VitrineError("INVALID", `"${nameOrId}" is the beginning of ${found.length} ids`, {
      hint: "write more of it",
    });
  return first;
}
