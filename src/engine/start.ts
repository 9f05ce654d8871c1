/** Starting a container that is there: a new plan for its id, its name and what it has written. */
import { closeSync, existsSync, openSync } from "node:fs";
import { type Identity, newIdentity, tokenOf } from "../container/identity.ts";
import type { ContainerRecord } from "../container/record.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { dropNextRecord, forgetStopped, readRecord, writeNextRecord } from "../container/store.ts";
import { readTemplate, stamp } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import { endsWithClient } from "../spec/attached.ts";
import { DEFAULT_RUN, type RunOptions } from "../spec/options.ts";
import { becomeStage } from "../stage/become.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { withAddresses, withoutAddresses } from "./network/placing.ts";
import { isPaused } from "./pause.ts";
import { planAnew } from "./planning.ts";
import { keyOf, type Request, resolveRequest } from "./request.ts";
import { findRunning, isRunning, type Running } from "./running.ts";
import type { Found } from "./source.ts";

/** Starts it in the background; nothing happens if it runs. */
export async function startContainer(engine: Engine, nameOrId: string): Promise<void> {
  const found = await findRunning(engine, nameOrId);
  if (isRunning(found)) {
    checkNotPaused(found);
    return;
  }
  const plan = await prepareStart(engine, found, { detach: true });
  const { status, stderr } = runStage(engine.stage.path, plan);
  if (status !== 0) throw toldError(stderr, `container ${found.name} could not be started`);
}

/** Starts it with this process as its first client. Does not return. */
export async function startAttached(
  engine: Engine,
  nameOrId: string,
  manner: Pick<RunOptions, "interactive" | "detachKeys" | "sigProxy">,
): Promise<never> {
  const found = await findRunning(engine, nameOrId);
  if (isRunning(found)) {
    checkNotPaused(found);
    const { attachContainer } = await import("./attach.ts");
    const { interactive: input, detachKeys, sigProxy: signals } = manner;
    return attachContainer(engine, nameOrId, { input, detachKeys, signals });
  }
  const { options } = found;
  const typing = manner.interactive && options?.interactive === true; // as docker: there has to be somebody who reads
  if (!typing) {
    closeSync(0);
    openSync("/dev/null", "r+"); // the lowest number that is free
  }
  const { detachKeys, sigProxy } = manner;
  const client = { typing, once: options !== undefined && endsWithClient(options) };
  const plan = await prepareStart(engine, found, { detachKeys, sigProxy, detach: false }, client);
  becomeStage(engine.stage.path, plan);
}

function checkNotPaused({ container, record }: Running): void {
  if (isPaused(record))
    throw new VitrineError("CONFLICT", `container ${container.name} is paused`, {
      hint: `vitrine unpause ${container.name} lets it go on`,
    });
}

/** The plan file of its next run, which is this process's to carry out. */
async function prepareStart(
  engine: Engine,
  record: ContainerRecord,
  manner: Partial<RunOptions>,
  client?: Request["client"],
): Promise<string> {
  for (const id of record.options?.requires ?? [])
    try {
      await startContainer(engine, id);
    } catch (error) {
      if (!(error instanceof VitrineError)) throw error;
      const { code, message, hint } = error;
      throw new VitrineError(code, `container ${record.name} requires ${id.slice(0, 12)}: ${message}`, { hint });
    }
  const identity: Identity = { ...newIdentity(record.name), id: record.id };
  const directory = claimRun(engine.paths, identity);
  const run = tokenOf(identity);
  let request: Request | undefined;
  try {
    // Read now: whoever changes it later finds the run, and sees to it.
    const last = readRecord(engine.paths, record.id);
    if (!last) throw new VitrineError("NOT_FOUND", `container ${record.name} was removed a moment ago`);
    request = { ...(await requestAgain(engine, last, manner)), ...(client ? { client } : {}) };
    const key = keyOf(engine, request);
    const template = readTemplate(engine.paths, key) ?? planAnew(engine, request, key);
    const started = Date.now();
    forgetStopped(engine.paths, record.id);
    writeNextRecord(engine.paths, startedNow(last, started, run), run);
    const placed = await withAddresses(engine, request, identity);
    writePlan(directory, stamp(template, placed, { created: record.created, started, prepared: 0 }));
  } catch (error) {
    if (request) await withoutAddresses(engine, request, identity);
    dropNextRecord(engine.paths, record.id, run);
    dropRun(directory);
    throw error;
  }
  return planFile(directory);
}

/** By a user: what its restart policy has counted begins anew. */
function startedNow(record: ContainerRecord, started: number, run: string): ContainerRecord {
  return { ...noteOf(record, started, run), restartCount: 0, waited: undefined };
}

/** @param run see tokenOf */
export function noteOf(record: ContainerRecord, started: number, run: string): ContainerRecord {
  const { status, started: last, error, lastRun } = record;
  const before = { status, started: last, error, lastRun };
  return { ...record, status: "running", started, lastRun: run, before, error: undefined };
}

export async function requestAgain(
  engine: Engine,
  { name, image, options, source }: ContainerRecord,
  manner: Partial<RunOptions>,
): Promise<Request> {
  if (!options || !source)
    throw new VitrineError("UNSUPPORTED", `container ${name} was made by an older vitrine, which did not note how`, {
      hint: "vitrine export keeps its files, vitrine run makes a new one",
    });
  const gone = source.layers.find((directory) => !existsSync(directory));
  if (gone !== undefined)
    throw new VitrineError("NOT_FOUND", `container ${name}: its root file system ${gone} is not there any more`, {
      hint: `it is a part of ${image}: put it back, or vitrine rm ${name}`,
    });
  const own = { ...DEFAULT_RUN, ...options, attach: undefined };
  const asked: RunOptions = { ...own, ...manner, name: undefined, cidfile: undefined };
  const known: Found = { image: source, label: image, before: [] };
  return resolveRequest(engine, asked, false, false, undefined, known);
}

/** What the stage's program has said of a failure, as an error of ours. */
function toldError(stderr: string, otherwise: string): VitrineError {
  const [, message = otherwise, hint] = /^vitrine: (.*)\n(?: {2}hint: (.*)\n)?/m.exec(stderr) ?? [];
  return new VitrineError("STEP_FAILED", message, { hint });
}
