/** Changing the networks of a container, which others may start or end at the same time. */
import { existsSync } from "node:fs";
import { skimRunRecord } from "../../container/journal.ts";
import { recordOf } from "../../container/record.ts";
import { isAlive, planFile, type Run, runsOf } from "../../container/runs.ts";
import { readRecord } from "../../container/store.ts";
import { choosing } from "../../network/leases.ts";
import type { Engine } from "../context.ts";
import { collect } from "../gc.ts";
import { readLive } from "../live.ts";
import type { Listed } from "../ps.ts";
import { isWaiting, napAfter } from "../running.ts";
import { aboutTo, againListed, type Choices, choicesIn, noteNetworks } from "./member.ts";

/** So long a start, or an end, is waited for. */
const PATIENCE_MS = 10_000;

export interface Change {
  readonly network: string;
  /** Whether it is to be on that. */
  readonly on: boolean;
  /** @throws VitrineError: nothing has changed then */
  act(now: Listed): Promise<Changed>;
}

export interface Changed {
  readonly before: Choices;
  /** Directory of the run that has been changed, if there is one. */
  readonly run?: string | undefined;
}

/**
 * One command at a time. A start claims its run before it reads which networks it is to be on; here they are noted before runs are looked for: one
 * of the two sees the other. A start that may have read them before is waited for, and looked at.
 * @throws CONFLICT if a start, or an end, takes too long
 */
export async function changeNetworks(engine: Engine, listed: Listed, { network, on, act }: Change): Promise<void> {
  const { paths } = engine;
  const { id, name } = listed.container;
  const end = performance.now() + PATIENCE_MS;
  let before: Choices | undefined;
  const once = async () => {
    await collect(engine); // who had the turn before may have been killed
    if (liveRuns(engine, id).some((run) => isOnItsWay(engine, run))) return false;
    const now = againListed(engine, listed);
    if (before && networksOf(engine, now).includes(network) === on) return true;
    const changed = await act(now);
    before ??= changed.before;
    return liveRuns(engine, id).every(({ directory }) => directory === changed.run);
  };
  try {
    for (;;) {
      await untilSettled(engine, id, end);
      // Nobody is waited for in this turn: a start may wait for it.
      if (await choosing(paths, once)) return;
      if (performance.now() > end) throw aboutTo(name);
    }
  } catch (error) {
    const was = before;
    if (was && readRecord(paths, id)) await choosing(paths, async () => noteNetworks(paths, id, was));
    throw error;
  }
}

function networksOf({ paths }: Engine, { connections, container: { options } }: Listed): string[] {
  if (connections) return connections.map(({ network }) => network.name);
  return options ? choicesIn(paths, options).networks.map(({ name }) => name) : [];
}

const liveRuns = ({ paths }: Engine, id: string): Run[] => runsOf(paths, id).filter(isAlive);

/** It is starting, or ending: what it will be, is not to be seen yet. One that its restart policy has wait may be so for long. */
function isOnItsWay({ paths }: Engine, run: Run): boolean {
  try {
    if (!existsSync(planFile(run.directory))) return existsSync(run.directory);
    const record = skimRunRecord(run.directory);
    if (!record) return false;
    const container = readRecord(paths, run.id) ?? recordOf(record);
    return !isWaiting({ container, record }) && !readLive(run);
  } catch {
    return false; // it has just ended
  }
}

async function untilSettled(engine: Engine, id: string, end: number): Promise<void> {
  const began = performance.now();
  for (let now = began; now < end; now = performance.now()) {
    if (!liveRuns(engine, id).some((run) => isOnItsWay(engine, run))) return;
    await Bun.sleep(napAfter(now - began));
  }
}
