/** Finishes what a killed command left: every run whose process is gone is undone from its journal. */
import { isAlive, listRuns, mayBeAlive } from "../container/runs.ts";
import type { Engine } from "./context.ts";

/** Runs of which nobody is left; returns how many. Cheap: for every command, with one readdir. */
export async function collect(engine: Engine): Promise<number> {
  return undoAll(engine, (run) => mayBeAlive(run));
}

/** The same, also where a pid was given to another process, and files without a run. */
export async function collectThoroughly(engine: Engine): Promise<number> {
  const done = await undoAll(engine, (run) => isAlive(run));
  const { sweep } = await import("./recover.ts");
  sweep(engine);
  return done;
}

async function undoAll(engine: Engine, alive: (run: ReturnType<typeof listRuns>[number]) => boolean): Promise<number> {
  const dead = listRuns(engine.paths).filter((run) => !alive(run));
  if (dead.length === 0) return 0;
  const { recover } = await import("./recover.ts");
  for (const run of dead) recover(engine, run);
  return dead.length;
}
