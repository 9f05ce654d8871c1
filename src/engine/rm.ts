import { readFileSync } from "node:fs";
import { containerDirectory, nameFile } from "../container/paths.ts";
import { isAlive, listRuns } from "../container/runs.ts";
import { listContainerIds } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { planRemoval } from "../plan/removal.ts";
import type { Engine } from "./context.ts";
import { collect } from "./gc.ts";
import { carryOut } from "./plans.ts";
import { listContainers } from "./ps.ts";

const KILL_WAIT_MS = 5000;

/** Removes a container by name, id, or the unambiguous beginning of an id. @param force end it first if it runs */
export async function removeContainer(engine: Engine, nameOrId: string, force: boolean): Promise<void> {
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
  const run = listRuns(engine.paths).find((r) => r.id === container.id);
  if (run && isAlive(run)) {
    if (!force)
      throw new VitrineError("CONFLICT", `container ${container.name} is running`, {
        hint: "vitrine rm -f ends it first",
      });
    process.kill(run.pid, "SIGKILL"); // its first process dies with the stage
    for (let i = 0; isAlive(run) && i < KILL_WAIT_MS; i += 5)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    await collect(engine, true);
  }
  removeFiles(engine, container.id, container.name);
}

/** Everything a container that has ended left on disk: its directory, its name. */
export function removeFiles(engine: Engine, id: string, name: string): void {
  if (!listContainerIds(engine.paths).includes(id)) return;
  const file = nameFile(engine.paths, name);
  carryOut(
    engine.stage.path,
    engine.paths,
    planRemoval(containerDirectory(engine.paths, id), ownerOf(file) === id ? file : undefined),
  );
}

function ownerOf(file: string): string | undefined {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return undefined;
  }
}
