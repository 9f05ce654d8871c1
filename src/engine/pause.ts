/** Holding all processes of a container where they are, and letting them go on: by the freezer of its control group. */
import { readFileSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { groupsOf, type RunRecord } from "../container/record.ts";
import { VitrineError } from "../errors.ts";
import { freezerOf, planFreeze } from "../plan/freezer.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { readLive } from "./live.ts";
import { isWaiting, needRunning, type Running } from "./running.ts";

const PATIENCE_MS = 10_000;

export async function pauseContainer(engine: Engine, nameOrId: string): Promise<string> {
  const found = await needRunning(engine, nameOrId);
  if (isWaiting(found)) throw new VitrineError("CONFLICT", `container ${found.container.name} waits to be restarted`);
  if (isPaused(found.record)) throw new VitrineError("CONFLICT", `container ${found.container.name} is paused already`);
  try {
    freeze(engine, found, true);
  } catch (error) {
    throw readLive(found.run) ? error : notYet(found); // its groups went with it
  }
  containerEvent(engine, "pause", found.container);
  return nameOrId;
}

function notYet({ container }: Pick<Running, "container">): VitrineError {
  return new VitrineError("CONFLICT", `container ${container.name} is only just starting, or ending`, {
    hint: "try again",
  });
}

export async function unpauseContainer(engine: Engine, nameOrId: string): Promise<string> {
  const found = await needRunning(engine, nameOrId);
  if (!isPaused(found.record)) throw new VitrineError("CONFLICT", `container ${found.container.name} is not paused`);
  if (!thaw(engine, found)) throw notYet(found);
  containerEvent(engine, "unpause", found.container);
  return nameOrId;
}

/** Lets it go on if it is held. @returns whether it was, and has not ended meanwhile */
export function thaw(engine: Engine, found: Running): boolean {
  if (!isPaused(found.record)) return false;
  try {
    freeze(engine, found, false);
    return true;
  } catch (error) {
    if (readLive(found.run)) throw error;
    return false; // its groups went with it
  }
}

/** The kernel is asked: there is no other note of it. */
export function isPaused(record: Pick<RunRecord, "facts" | "input" | "cgroupsPath">): boolean {
  const { facts } = record;
  if (!facts.cgroups.v2 && !facts.cgroups.v1.some((h) => h.controllers.includes("freezer"))) return false;
  const { told, held } = freezerOf(facts, groupsOf(record));
  try {
    return held.test(readFileSync(told, "latin1"));
  } catch {
    return false; // it has just ended
  }
}

/** @throws BROKEN_STATE if it is not held in time: then it goes on */
function freeze(engine: Engine, { record, container, run }: Running, frozen: boolean): void {
  const path = record.input.config.linux.cgroupsPath;
  const live = frozen ? readLive(run) : undefined;
  // Held while it is set up, it would never come to its program; and whoever waits for that would wait too.
  if (frozen && !live) throw notYet({ container });
  carryOut(engine.stage.path, engine.paths, planFreeze(record.facts, path, frozen, live?.pid));
  const end = performance.now() + PATIENCE_MS;
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (isPaused(record) !== frozen) {
    if (performance.now() > end) {
      if (frozen) carryOut(engine.stage.path, engine.paths, planFreeze(record.facts, path, false));
      throw new VitrineError(
        "BROKEN_STATE",
        `container ${container.name}: the kernel does not ${frozen ? "hold" : "let go"} its processes`,
        {
          hint: "one of them is in a call that cannot be interrupted",
        },
      );
    }
    Atomics.wait(pause, 0, 0, 1);
  }
}
