import type { ContainerRecord } from "../container/record.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { listContainers } from "./ps.ts";

/** A container by name, id, or the unambiguous beginning of an id. */
export async function findContainer(engine: Engine, nameOrId: string): Promise<ContainerRecord> {
  const all = await listContainers(engine, true);
  const exact = all.filter((c) => c.name === nameOrId || c.id === nameOrId);
  const found = exact.length > 0 ? exact : all.filter((c) => nameOrId.length > 0 && c.id.startsWith(nameOrId));
  const [container] = found;
  if (!container)
    throw new VitrineError("NOT_FOUND", `no container "${nameOrId}"`, { hint: "vitrine ps -a lists them" });
  if (found.length > 1)
    throw new VitrineError("INVALID", `"${nameOrId}" is the beginning of ${found.length} ids`, {
      hint: "write more of it",
    });
  return container;
}
