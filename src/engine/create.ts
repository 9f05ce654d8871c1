/** `create`: a container with its name, its files and its config, of which nothing runs yet. */
import { newIdentity } from "../container/identity.ts";
import { nameFile } from "../container/paths.ts";
import { carryOut } from "../container/plans.ts";
import { type RunShape, recordOf } from "../container/record.ts";
import { claimRun, dropRun } from "../container/runs.ts";
import { createContainer as writeContainer } from "../container/store.ts";
import { readTemplate, stampText } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import { planCreation } from "../plan/creation.ts";
import { attachedTo } from "../spec/attached.ts";
import type { RunOptions } from "../spec/options.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { collect } from "./gc.ts";
import { nameTaken } from "./nametaken.ts";
import { planAnew } from "./planning.ts";
import { removeFiles } from "./remove.ts";
import { keyOf, resolveRequest } from "./request.ts";
import { freeName } from "./run.ts";
import { type Fetch, sourceOfRun } from "./source.ts";

/** Its whole plan is made once, so that what cannot be run is refused here. Returns the id. */
export async function createContainer(
  engine: Engine,
  options: RunOptions,
  warn: (text: string) => void,
  fetch?: Fetch,
): Promise<string> {
  const { paths } = engine;
  attachedTo(options); // of whoever starts it
  await collect(engine);
  const name = options.name === undefined ? undefined : await freeName(engine, options.name);
  const found = await sourceOfRun(engine, options, false, fetch);
  const required =
    options.requires === undefined
      ? {}
      : { requires: await (await import("./requires.ts")).resolveRequired(engine, options.requires) };
  const asked = await resolveRequest(
    engine,
    { ...options, ...required, attach: undefined, detach: true },
    false,
    false,
    undefined,
    found,
  );
  for (const warning of asked.warnings) warn(warning);
  const { cidfile } = asked.options; // written once, here
  const request = { ...asked, options: { ...asked.options, cidfile: undefined } };
  const key = keyOf(engine, request);
  const template = readTemplate(paths, key) ?? planAnew(engine, request, key);
  const identity = newIdentity(name);
  const shape: RunShape = JSON.parse(stampText(template.record, identity));
  const marker = claimRun(paths, identity); // as long as it is not whole, it is nobody's to sweep up
  try {
    const made = { ...shape.options, attach: options.attach, detach: false };
    const record = recordOf({ ...shape, options: made, identity, created: Date.now() });
    writeContainer(
      paths,
      { ...record, status: "created", started: undefined, lastRun: undefined, before: undefined },
      shape.input.config,
    );
    const ops = planCreation(shape.input.root, nameFile(paths, identity.name), identity.id, cidfile);
    carryOut(engine.stage.path, paths, ops);
    containerEvent(engine, "create", record);
    return identity.id;
  } catch (error) {
    removeFiles(engine, identity.id, identity.name);
    throw error instanceof VitrineError && /the name .*EEXIST/.test(error.message) ? nameTaken(identity.name) : error;
  } finally {
    dropRun(marker);
  }
}
