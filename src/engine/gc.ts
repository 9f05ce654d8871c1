/** Finishes what a killed command left: every run whose process is gone is undone from its journal. */
import { isAlive, listRuns, mayBeAlive } from "../container/runs.ts";
import type { Engine } from "./context.ts";

/** @param thorough also look for pids that were given to another process; costs a file read a run */
export async function collect(engine: Engine, thorough: boolean): Promise<number> {
  const dead = listRuns(engine.paths).filter((run) => !(thorough ? isAlive(run) : mayBeAlive(run)));
  if (dead.length === 0) return 0;
  const { recover } = await import("./recover.ts");
  for (const run of dead) recover(engine, run);
  return dead.length;
}
