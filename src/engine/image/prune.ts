/** Images that nobody uses are taken away: those without a name, or all. */

import { emit } from "../../container/events.ts";
import { VitrineError } from "../../errors.ts";
import type { Engine } from "../context.ts";
import { hasTag, type ImageFilters } from "./filters.ts";
import { collectGarbage } from "./garbage.ts";
import { listedImages } from "./list.ts";
import { deleteImage, type Removal } from "./remove.ts";
import { storeSize } from "./storesize.ts";
import { imageUsers } from "./users.ts";

export interface Pruned {
  readonly removals: readonly Removal[];
  /** Bytes. */
  readonly reclaimed: number;
}

/** @param all also those with names, if no container uses them */
export async function pruneImages(engine: Engine, all: boolean, filters: ImageFilters): Promise<Pruned> {
  const before = storeSize(engine.paths);
  const users = await imageUsers(engine);
  const removals: Removal[] = [];
  for (const { image, names } of listedImages(engine, filters)) {
    if (users.of(image.id).length > 0 || users.mountOf(image.id) !== undefined || (!all && hasTag(names))) continue;
    try {
      removals.push(...(await deleteImage(engine, image, names, false)));
    } catch (error) {
      if (!(error instanceof VitrineError) || error.code !== "CONFLICT") throw error; // a container was made of it meanwhile
    }
  }
  await collectGarbage(engine, true);
  const reclaimed = Math.max(0, before - storeSize(engine.paths));
  emit(engine.paths, "image", "prune", "", { reclaimed: String(reclaimed) });
  return { removals, reclaimed };
}
