/** Files of containers that have ended: taken away by the stage, because what is in them is the container's. */
import { existsSync, readdirSync } from "node:fs";
import { isContainerId } from "../container/identity.ts";
import { containerDirectory, nameFile, volumesDirectory } from "../container/paths.ts";
import { carryOut } from "../container/plans.ts";
import type { ContainerRecord } from "../container/record.ts";
import { nameOwner } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { planRemoval } from "../plan/removal.ts";
import { planVolumeRemoval, sharedMark } from "../plan/volumes.ts";
import { ownerOfVolume } from "../spec/volume.ts";
import type { Engine } from "./context.ts";

/** @param name freed if it is this container's @throws BROKEN_STATE for what is no id: it would be another directory */
export function removeFiles(engine: Engine, id: string, name: string | undefined): void {
  if (!isContainerId(id)) throw new VitrineError("BROKEN_STATE", `"${id}" is not the id of a container`);
  const file = name !== undefined && nameOwner(engine.paths, name) === id ? nameFile(engine.paths, name) : undefined;
  carryOut(engine.stage.path, engine.paths, planRemoval(containerDirectory(engine.paths, id), file));
  // Others may have come to have them: --volumes-from.
  removeOwnVolumes(engine, id, (directory) => existsSync(sharedMark(directory)));
}

/** Those without a name that were made for this container. @param stays whether one does, by its directory */
export function removeOwnVolumes(engine: Engine, id: string, stays: (directory: string) => boolean): void {
  const directory = volumesDirectory(engine.paths);
  for (const name of existsSync(directory) ? readdirSync(directory) : [])
    if (ownerOfVolume(name) === id && !stays(`${directory}/${name}`))
      carryOut(engine.stage.path, engine.paths, planVolumeRemoval(`${directory}/${name}`));
}

/** The same, unless somebody has just started it. @throws CONFLICT */
export function removeStopped(engine: Engine, { id, name }: Pick<ContainerRecord, "id" | "name">): void {
  const directory = containerDirectory(engine.paths, id);
  const file = nameOwner(engine.paths, name) === id ? nameFile(engine.paths, name) : undefined;
  try {
    carryOut(engine.stage.path, engine.paths, planRemoval(directory, file, true));
  } catch (error) {
    if (!(error instanceof VitrineError) || !error.message.includes(`${directory}/lock`)) throw error;
    throw new VitrineError("CONFLICT", `container ${name} has just been started, or is being removed`, {
      hint: "vitrine rm -f ends it first",
    });
  }
}
