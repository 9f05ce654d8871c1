import { existsSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import { imageFile } from "../image/paths.ts";
import type { Engine } from "./context.ts";
import { collectThoroughly } from "./gc.ts";
import { removeFiles } from "./remove.ts";
import { findRunning, isRunning } from "./running.ts";
import { end } from "./stop.ts";

/** Removes a container by name, id, or the unambiguous beginning of an id. @param force end it first if it runs */
export async function removeContainer(engine: Engine, nameOrId: string, force: boolean): Promise<void> {
  const found = await findRunning(engine, nameOrId);
  const container = isRunning(found) ? found.container : found;
  if (isRunning(found)) {
    if (!force)
      throw new VitrineError("CONFLICT", `container ${container.name} is running`, {
        hint: "vitrine rm -f ends it first",
      });
    await end(engine, found);
    await collectThoroughly(engine); // its parent may not have reaped it yet
  }
  removeFiles(engine, container.id, container.name);
  if (container.imageId !== undefined && !existsSync(imageFile(engine.paths, container.imageId)))
    await (await import("./garbage.ts")).collectGarbage(engine, false); // the image was removed before it
}
