import { checkName } from "../container/name.ts";
import { nameOwner } from "../container/store.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { removeContainer } from "./rm.ts";

/** Ends and removes the container that has a name, if there is one. @throws INVALID without a name */
export async function removeNamed(engine: Engine, name: string | undefined): Promise<void> {
  if (name === undefined) throw invalid("--replace: which container is told by its name", "add --name NAME");
  const id = nameOwner(engine.paths, checkName(name)); // never by the beginning of an id
  if (id === undefined) return;
  try {
    await removeContainer(engine, id, true);
  } catch (error) {
    if (!(error instanceof VitrineError && error.code === "NOT_FOUND")) throw error;
  }
}
