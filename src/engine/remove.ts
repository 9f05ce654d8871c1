/** Files of containers that have ended: taken away by the stage, because what is in them is the container's. */
import { isContainerId } from "../container/identity.ts";
import { containerDirectory, nameFile } from "../container/paths.ts";
import { carryOut } from "../container/plans.ts";
import { nameOwner } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { planRemoval } from "../plan/removal.ts";
import type { Engine } from "./context.ts";

/** @param name freed if it is this container's @throws BROKEN_STATE for what is no id: it would be another directory */
export function removeFiles(engine: Engine, id: string, name: string | undefined): void {
  if (!isContainerId(id)) throw new VitrineError("BROKEN_STATE", `"${id}" is not the id of a container`);
  const file = name !== undefined && nameOwner(engine.paths, name) === id ? nameFile(engine.paths, name) : undefined;
  carryOut(engine.stage.path, engine.paths, planRemoval(containerDirectory(engine.paths, id), file));
}
