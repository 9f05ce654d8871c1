/** What a restart policy does: the process that was the monitor goes on as the next run, whose plan begins with the wait. */

import { existsSync } from "node:fs";
import { NETWORKED_STAND_IN, newIdentity, tokenOf } from "../container/identity.ts";
import type { ContainerRecord } from "../container/record.ts";
import { claimRun, dropRun, writePlan } from "../container/runs.ts";
import { changeRecord, dropNextRecord, writeNextRecord } from "../container/store.ts";
import { makeTemplate, stamp } from "../container/template.ts";
import { exact } from "../container/trailer.ts";
import { VitrineError } from "../errors.ts";
import { planRun } from "../plan/run.ts";
import { parseRestart, restartDelay } from "../spec/restart.ts";
import { encode } from "../stage/encode.ts";
import type { Engine } from "./context.ts";
import { haltFile } from "./halt.ts";
import { withAddresses, withoutAddresses } from "./placing.ts";
import type { Request } from "./request.ts";
import { shapeOf } from "./shape.ts";
import { noteOf, requestAgain } from "./start.ts";

/** The next run's directory, claimed for this process, and its plan; undefined if there is none. @param record of the end */
export async function prepareRestart(engine: Engine, record: ContainerRecord): Promise<string | undefined> {
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
    request = { ...(await requestAgain(engine, record, { detach: true })), restartsIn: delay };
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

function delayOf(engine: Engine, record: ContainerRecord): number | undefined {
  const { options, exitCode = 0, started = 0, finished = 0, stopped = false, restartCount = 0, waited } = record;
  if (!options || options.rm || existsSync(haltFile(engine))) return undefined;
  const ended = { exitCode, ran: finished - started, stopped, count: restartCount, waited };
  return restartDelay(parseRestart(options.restart), ended);
}

/** A run that will not take place; an address that it has is free when its directory is gone. */
export function dropRestart({ paths }: Engine, id: string, directory: string): void {
  dropNextRecord(paths, id, directory.slice(directory.lastIndexOf("/") + 1 + id.length + 1));
  dropRun(directory);
}
