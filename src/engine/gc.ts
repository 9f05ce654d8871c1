/** Finishes what a killed command left: every run whose process is gone is undone from its journal. */
import { existsSync, statSync } from "node:fs";
import { lostRuns } from "../container/holders.ts";
import { eventsFile, networksDirectory, networksState } from "../container/paths.ts";
import { isAlive, listRuns, type Run, runsOf } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { usedUpIn } from "../linux/usedup.ts";
import type { Engine } from "./context.ts";

export interface Collected {
  /** Runs that were undone. */
  readonly done: number;
  /** Directories of those of which nobody is left either, and for which something is used up. */
  readonly stuck: ReadonlySet<string>;
}

/** Runs of which nobody is left. Cheap: for every command, with one readdir, and a call for each run. */
export async function collect(engine: Engine): Promise<void> {
  await limitEvents(engine);
  await undoAll(engine, lostRuns(engine.paths));
}

/** The same, also where a pid was given to another process, and files without a run. */
export async function collectThoroughly(engine: Engine): Promise<Collected> {
  const done = await undoAll(engine, dead(listRuns(engine.paths)));
  const { sweep } = await import("./recover.ts");
  asFarAsPossible(() => sweep(engine));
  if ([networksDirectory, networksState].some((of) => existsSync(of(engine.paths)))) await careForNetworks(engine);
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
  await undoAll(engine, dead(runsOf(engine.paths, id)));
  const { sweep } = await import("./recover.ts");
  asFarAsPossible(() => sweep(engine, id));
}

const dead = (runs: readonly Run[]) => runs.filter((run) => !isAlive(run));

async function undoAll(engine: Engine, lost: readonly Run[]): Promise<Collected> {
  const stuck = new Set<string>();
  if (lost.length === 0) return { done: 0, stuck };
  const { recover } = await import("./recover.ts");
  for (const run of lost) if (!asFarAsPossible(() => recover(engine, run))) stuck.add(run.directory);
  return { done: lost.length - stuck.size, stuck };
}

async function careForNetworks(engine: Engine): Promise<void> {
  const care = await import("./network/care.ts");
  try {
    await care.careForNetworks(engine);
  } catch (error) {
    asFarAsPossible(() => {
      throw error;
    });
  }
}

/** Without room, processes or descriptors it is left to a later command; this one may do without. */
function asFarAsPossible(clean: () => void): boolean {
  try {
    clean();
    return true;
  } catch (error) {
    const usedUp = error instanceof VitrineError ? error.code === "USED_UP" : usedUpIn(error) !== undefined;
    if (!usedUp) throw error;
    return false;
  }
}
