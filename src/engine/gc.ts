/** Finishes what a killed command left: every run whose process is gone is undone from its journal. */
import { statSync } from "node:fs";
import { eventsFile } from "../container/paths.ts";
import { isAlive, listRuns, mayBeAlive } from "../container/runs.ts";
import type { Engine } from "./context.ts";

/** Runs of which nobody is left; returns how many. Cheap: for every command, with one readdir. */
export async function collect(engine: Engine): Promise<number> {
  await limitEvents(engine);
  return undoAll(engine, (run) => mayBeAlive(run));
}

/** The same, also where a pid was given to another process, and files without a run. */
export async function collectThoroughly(engine: Engine): Promise<number> {
  const done = await undoAll(engine, (run) => isAlive(run));
  const { sweep } = await import("./recover.ts");
  sweep(engine);
  return done;
}

/** Looked at by the way: most commands add to it. */
async function limitEvents({ paths }: Engine): Promise<void> {
  if ((statSync(eventsFile(paths), { throwIfNoEntry: false })?.size ?? 0) >= MOST_EVENTS)
    (await import("../container/events.ts")).limitEvents(paths);
}

/** Bytes. */
const MOST_EVENTS = 2 ** 20;

/** The same for one container alone: a command about it does not look at all others. */
export async function collectOf(engine: Engine, id: string): Promise<void> {
  await undoAll(engine, (run) => run.id !== id || isAlive(run));
  const { sweep } = await import("./recover.ts");
  sweep(engine, id);
}

async function undoAll(engine: Engine, alive: (run: ReturnType<typeof listRuns>[number]) => boolean): Promise<number> {
  const dead = listRuns(engine.paths).filter((run) => !alive(run));
  if (dead.length === 0) return 0;
  const { recover } = await import("./recover.ts");
  for (const run of dead) recover(engine, run);
  return dead.length;
}
