/** `run` in the foreground: from options to a plan file, and then this process becomes the stage. */
import { existsSync, lstatSync } from "node:fs";
import { type Identity, newIdentity } from "../container/identity.ts";
import { checkName } from "../container/name.ts";
import { owner } from "../container/owner.ts";
import { nameFile } from "../container/paths.ts";
import type { RunShape } from "../container/record.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { readTemplate, stamp, stampText, type Template } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import { imageFile } from "../image/paths.ts";
import type { KeptNetwork, LeasedFiles } from "../plan/network/kept.ts";
import type { Op, Plan } from "../plan/plan.ts";
import type { RunOptions } from "../spec/options.ts";
import { becomeStage } from "../stage/become.ts";
import type { Engine } from "./context.ts";
import { collect, collectThoroughly } from "./gc.ts";
import { nameTaken } from "./nametaken.ts";
import { withAddresses, withoutAddresses } from "./network/placing.ts";
import { keyOf, resolveRequest } from "./request.ts";
import type { Fetch } from "./source.ts";

/**
 * Runs a container in the foreground. Does not return: this process goes on as the stage and ends as the container does.
 * @param timeline tell how long each step took, when it is over
 * @param began process.hrtime() when the command began
 * @param warn is told what was not done as asked
 * @param fetch gets an image that is not in the store
 */
export async function runForeground(
  engine: Engine,
  asked: RunOptions,
  timeline: boolean,
  began: bigint,
  warn: (text: string) => void,
  fetch?: Fetch,
): Promise<never> {
  const { paths } = engine;
  await collect(engine); // first: it may free the name
  const name = asked.name === undefined ? undefined : await freeName(engine, asked.name);
  const options =
    asked.requires === undefined
      ? asked
      : { ...asked, requires: await (await import("./requires.ts")).startRequired(engine, asked.requires) };
  const request = await resolveRequest(engine, options, timeline, false, fetch);
  for (const warning of request.warnings) warn(warning);
  const key = keyOf(engine, request);
  const template = readTemplate(paths, key) ?? (await import("./planning.ts")).planAnew(engine, request, key);
  const identity = newIdentity(name, options.owned ? owner() : undefined);
  const directory = claimRun(paths, identity);
  try {
    const moment = { created: Date.now(), prepared: Number(process.hrtime.bigint() - began) };
    if (!options.rm) await createRecord(engine, template, identity, moment.created);
    writePlan(directory, stamp(template, await withAddresses(engine, request, identity), moment));
    if (request.image.id !== undefined) checkStillThere(engine, request.image.id, request.label);
  } catch (error) {
    await withoutAddresses(engine, request, identity);
    dropRun(directory);
    if (!options.rm) (await import("./remove.ts")).removeFiles(engine, identity.id, undefined);
    throw error;
  }
  becomeStage(engine.stage.path, planFile(directory));
}

/** Whoever removes an image takes it away first and then looks for runs of it; here the plan comes first: one sees the other. */
function checkStillThere({ paths }: Engine, id: string, label: string): void {
  if (!existsSync(imageFile(paths, id)))
    throw new VitrineError("NOT_FOUND", `image "${label}" was removed a moment ago`, { hint: "pull it again" });
}

interface Explained {
  readonly plan: Plan;
  /** What makes the image, once. */
  readonly before: readonly Op[];
  /** What sets up those of its networks that are down now. */
  readonly down: readonly Op[];
  /** The same in a script. */
  readonly networks: readonly KeptNetwork[];
  readonly leased: LeasedFiles | undefined;
}

/** The plan of a run that does not take place; nothing is changed. */
export async function explainRun(engine: Engine, options: RunOptions): Promise<Explained> {
  const name = options.name === undefined ? undefined : await freeName(engine, options.name, true);
  const request = await resolveRequest(engine, options, false, true);
  const [{ shapeOf }, { planRun }] = await Promise.all([import("./shape.ts"), import("../plan/run.ts")]);
  const identity = request.networks
    ? (await import("./network/networking.ts")).foreseeAddresses(engine, request.networks, newIdentity(name))
    : newIdentity(name);
  const shape = shapeOf(engine, request, identity);
  const up = request.networks ? await import("./network/up.ts") : undefined;
  return {
    plan: planRun(shape.input, engine.facts),
    before: request.before,
    down: request.networks && up ? up.explainWhatIsDown(engine, request.networks) : [],
    networks: request.networks && up ? up.keptNetworks(engine, request.networks) : [],
    leased: request.networks?.dhcp
      ? (await import("./network/leasedscript.ts")).leasedFiles(request.networks, request.options, shape.input)
      : undefined,
  };
}

/** @throws CONFLICT if a container has it */
export async function freeName(engine: Engine, text: string, dry = false): Promise<string> {
  const name = checkName(text);
  const isTaken = () => lstatSync(nameFile(engine.paths, name), { throwIfNoEntry: false }) !== undefined;
  if (!dry && isTaken()) await collectThoroughly(engine); // a killed command may have left it
  if (isTaken()) throw nameTaken(name);
  return name;
}

async function createRecord({ paths }: Engine, template: Template, identity: Identity, created: number): Promise<void> {
  const [{ createContainer }, { recordOf }, { containerEvent }] = await Promise.all([
    import("../container/store.ts"),
    import("../container/record.ts"),
    import("./events.ts"),
  ]);
  const shape: RunShape = JSON.parse(stampText(template.record, identity));
  const record = recordOf({ ...shape, identity, created });
  createContainer(paths, record, shape.input.config);
  containerEvent({ paths }, "create", record);
}
