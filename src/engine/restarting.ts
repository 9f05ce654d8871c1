/** What a restart policy does: the process that was the monitor goes on as the next run, whose plan begins with the wait. */

import { existsSync } from "node:fs";
import { NETWORKED_STAND_IN, newIdentity, tokenOf } from "../container/identity.ts";
import type { ContainerRecord } from "../container/record.ts";
import { claimRun, dropRun, planFile, runsOf, writePlan } from "../container/runs.ts";
import { changeRecord, dropNextRecord, readRecord, writeNextRecord } from "../container/store.ts";
import { makeTemplate, stamp } from "../container/template.ts";
import { exact } from "../container/trailer.ts";
import { VitrineError } from "../errors.ts";
import { planRun } from "../plan/run.ts";
import { encode } from "../stage/encode.ts";
import { delayOf } from "./apart.ts";
import type { Engine } from "./context.ts";
import { withAddresses, withoutAddresses } from "./network/placing.ts";
import type { Request } from "./request.ts";
import { shapeOf } from "./shape.ts";
import { noteOf, requestAgain } from "./start.ts";

/**
 * The next run's directory, claimed for this process, and its plan; undefined if there is none.
 * @param record of the end  @param softFiles if they are not this process's own
 */
export async function prepareRestart(
  engine: Engine,
  record: ContainerRecord,
  softFiles?: number,
): Promise<string | undefined> {
  const delay = delayOf(engine, record);
  if (delay === undefined) return undefined;
  const { paths, facts } = engine;
  const identity = { ...newIdentity(record.name), id: record.id };
  const run = tokenOf(identity);
  const restarts = (record.restartCount ?? 0) + 1;
  const wakes = Date.now() + delay;
  let directory: string | undefined;
  let request: Request | undefined;
  try {
    directory = claimRun(paths, identity);
    // Read now: whoever changes it later finds the run.
    const again = await requestAgain(engine, readRecord(paths, record.id) ?? record, { detach: true });
    request = { ...again, restartsIn: delay, softFiles: softFiles ?? again.softFiles };
    const shape = shapeOf(engine, request, NETWORKED_STAND_IN);
    const { file } = encode(planRun(shape.input, facts), facts.arch);
    const template = makeTemplate("", JSON.stringify(shape, exact), file);
    const counted = changeRecord(paths, record.id, (now) => ({ ...now, restartCount: restarts, waited: delay }));
    if (!counted) throw new VitrineError("NOT_FOUND", `container ${record.name} was removed a moment ago`);
    writeNextRecord(paths, noteOf(counted, wakes, run), run);
    const moment = { created: record.created, started: wakes, restarts, wakes, prepared: 0 };
    writePlan(directory, stamp(template, await withAddresses(engine, request, identity), moment));
    return directory;
  } catch (error) {
    if (request) await withoutAddresses(engine, request, identity);
    dropNextRecord(paths, record.id, run);
    if (directory !== undefined) dropRun(directory);
    changeRecord(paths, record.id, (now) => ({
      ...now,
      error: error instanceof Error ? error.message : String(error),
    }));
    return undefined;
  }
}

/** Whoever stops it notes that first, and then looks for the next run: one sees the other. */
export function keepsGoing(engine: Engine, { id }: ContainerRecord, next: string): boolean {
  if (!readRecord(engine.paths, id)?.stopped) return true;
  dropRestart(engine, id, next);
  return false;
}

/** In the process of restartApart. Undefined if another command was quicker: it runs, has been stopped or removed. */
export async function prepareAgain(engine: Engine, id: string, softFiles?: number): Promise<string | undefined> {
  const record = readRecord(engine.paths, id);
  const taken = runsOf(engine.paths, id).some((run) => existsSync(planFile(run.directory)));
  if (record?.status !== "exited" || taken) return undefined;
  const next = await prepareRestart(engine, record, softFiles);
  return next !== undefined && keepsGoing(engine, record, next) ? next : undefined;
}

/** A run that will not take place; an address that it has is free when its directory is gone. */
export function dropRestart({ paths }: Engine, id: string, directory: string): void {
  dropNextRecord(paths, id, directory.slice(directory.lastIndexOf("/") + 1 + id.length + 1));
  dropRun(directory);
}
