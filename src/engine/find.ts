import type { ContainerRecord } from "../container/record.ts";
import { nameOwner } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { collect, collectOf } from "./gc.ts";
import { lookUp } from "./lookup.ts";
import { type Listed, listedOf } from "./ps.ts";

/** A container by name, id, or the unambiguous beginning of an id; what a kill has left of it is undone first. */
export async function findContainer(engine: Engine, nameOrId: string): Promise<ContainerRecord> {
  return (await findListed(engine, nameOrId)).container;
}

/** The same with its run. @throws NOT_FOUND, INVALID */
export async function findListed(engine: Engine, nameOrId: string): Promise<Listed> {
  await collect(engine);
  const { id } = lookUp(engine, nameOrId);
  await collectOf(engine, id);
  return listedOf(engine, id) ?? notFound(nameOrId);
}

function notFound(nameOrId: string): never {
  throw new VitrineError("NOT_FOUND", `no container "${nameOrId}"`, { hint: "vitrine ps -a lists them" });
}

/** The same among those that are listed already. @throws NOT_FOUND, INVALID */
export function pick<T>(
  { paths }: Pick<Engine, "paths">,
  all: readonly T[],
  nameOrId: string,
  of: (item: T) => ContainerRecord,
): T {
  const name = nameOrId.replace(/^\//, ""); // as inspect shows it
  const called = all.filter((item) => of(item).name === name || of(item).id === nameOrId);
  // One that is being made has noted a name that it does not have yet.
  const exact = called.length > 1 ? called.filter((item) => nameOwner(paths, name) === of(item).id) : called;
  const found =
    exact.length > 0 ? exact : all.filter((item) => nameOrId.length > 0 && of(item).id.startsWith(nameOrId));
  const [first] = found;
  if (!first) return notFound(nameOrId);
  if (found.length > 1)
    throw new VitrineError("INVALID", `"${nameOrId}" is the beginning of ${found.length} ids`, {
      hint: "write more of it",
    });
  return first;
}
