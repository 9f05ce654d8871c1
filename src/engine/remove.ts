/** Files of containers that have ended: taken away by the stage, because what is in them is the container's. */
import { containerDirectory, nameFile } from "../container/paths.ts";
import { carryOut } from "../container/plans.ts";
import { nameOwner } from "../container/store.ts";
import { planRemoval } from "../plan/removal.ts";
import type { Engine } from "./context.ts";

/** @param name freed if it is this container's */
export function removeFiles(engine: Engine, id: string, name: string | undefined): void {
  const file = name !== undefined && nameOwner(engine.paths, name) === id ? nameFile(engine.paths, name) : undefined;
  carryOut(engine.stage.path, engine.paths, planRemoval(containerDirectory(engine.paths, id), file));
}
