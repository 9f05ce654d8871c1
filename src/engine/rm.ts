import { existsSync } from "node:fs";
import { newIdentity } from "../container/identity.ts";
import { claimRun, dropRun } from "../container/runs.ts";
import { withSpare } from "../container/spare.ts";
import { VitrineError } from "../errors.ts";
import { imageFile } from "../image/paths.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { collectOf } from "./gc.ts";
import { removeOwnVolumes, removeStopped } from "./remove.ts";
import { findRunning, isRunning } from "./running.ts";
import { stopForGood } from "./stop.ts";
import { usersOfVolumes } from "./volume/users.ts";

/** Removes a container by name, id, or the unambiguous beginning of an id. @param force end it first if it runs @param volumes also those that were made for it and have no name */
export async function removeContainer(
  engine: Engine,
  nameOrId: string,
  force: boolean,
  volumes = false,
): Promise<void> {
  const found = await findRunning(engine, nameOrId);
  const container = isRunning(found) ? found.container : found;
  if (isRunning(found)) {
    if (!force)
      throw new VitrineError("CONFLICT", `container ${container.name} is running`, {
        hint: "vitrine rm -f ends it first",
      });
    await stopForGood(engine, container.id, true);
    await collectOf(engine, container.id); // its parent may not have reaped it yet
  }
  const marker = withSpare(engine.paths.state, () =>
    claimRun(engine.paths, { ...newIdentity(undefined), id: container.id }),
  );
  try {
    removeStopped(engine, container);
    const users = volumes ? await usersOfVolumes(engine) : undefined;
    if (users) removeOwnVolumes(engine, container.id, (directory) => users.has(`${directory}/_data`));
    containerEvent(engine, "destroy", container);
  } finally {
    dropRun(marker);
  }
  if (container.imageId !== undefined && !existsSync(imageFile(engine.paths, container.imageId)))
    await (await import("./image/garbage.ts")).collectGarbage(engine, false); // the image was removed before it
}
