import { isAlive, listRuns } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { findContainer } from "./find.ts";
import { collectThoroughly } from "./gc.ts";
import { removeFiles } from "./remove.ts";

const KILL_WAIT_MS = 5000;

/** Removes a container by name, id, or the unambiguous beginning of an id. @param force end it first if it runs */
export async function removeContainer(engine: Engine, nameOrId: string, force: boolean): Promise<void> {
  const container = await findContainer(engine, nameOrId);
  const run = listRuns(engine.paths).find((r) => r.id === container.id);
  if (run && isAlive(run)) {
    if (!force)
      throw new VitrineError("CONFLICT", `container ${container.name} is running`, {
        hint: "vitrine rm -f ends it first",
      });
    process.kill(run.pid, "SIGKILL"); // its first process dies with the stage
    for (let i = 0; isAlive(run) && i < KILL_WAIT_MS; i += 5)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    await collectThoroughly(engine); // its parent may not have reaped it yet
  }
  removeFiles(engine, container.id, container.name);
}
