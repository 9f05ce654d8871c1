/** `attach`: this process becomes a client of a container's monitor. */
import { type Identity, newIdentity } from "../container/identity.ts";
import type { AttachRecord, ContainerRecord } from "../container/record.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { SHORT_ID_LENGTH } from "../container/template.ts";
import { isTerminal } from "../container/terminal.ts";
import { withTrailer } from "../container/trailer.ts";
import { VitrineError } from "../errors.ts";
import { planAttach } from "../plan/client.ts";
import { endsWithClient } from "../spec/attached.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../spec/detachkeys.ts";
import { becomeStage } from "../stage/become.ts";
import { encode, type Layout } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { isPaused } from "./pause.ts";
import { isWaiting, needRunning } from "./running.ts";

export interface AttachOptions {
  readonly detachKeys?: string | undefined;
  /** Hand standard input on, if the container has one. */
  readonly input: boolean;
  readonly signals: boolean;
}

export interface PreparedAttach {
  readonly directory: string;
  readonly file: Uint8Array;
  readonly layout: Layout;
  readonly container: ContainerRecord;
}

/** Does not return. @throws CONFLICT if it does not run, or has no monitor */
export async function attachContainer(engine: Engine, nameOrId: string, options: AttachOptions): Promise<never> {
  const { directory, file, container } = await prepareAttach(engine, nameOrId, options, newIdentity(undefined));
  try {
    writePlan(directory, file);
  } catch (error) {
    dropRun(directory);
    throw error;
  }
  containerEvent(engine, "attach", container);
  becomeStage(engine.stage.path, planFile(directory));
}

/** @param identity of the process that will be the stage */
export async function prepareAttach(
  engine: Engine,
  nameOrId: string,
  options: AttachOptions,
  identity: Identity,
): Promise<PreparedAttach> {
  const keys = parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS);
  const found = await needRunning(engine, nameOrId);
  const { container, run, record } = found;
  if (isWaiting(found)) throw new VitrineError("CONFLICT", `container ${container.name} waits to be started again`);
  if (isPaused(record))
    throw new VitrineError("CONFLICT", `container ${container.name} is paused, and would not answer`, {
      hint: `vitrine unpause ${container.name} lets it go on`,
    });
  const { monitor, config } = record.input;
  if (!monitor)
    throw new VitrineError("CONFLICT", `container ${container.name} has the streams of the command that runs it`, {
      hint: "those that are run without --rm, with -d, with -it, or with --log-driver local can be attached to",
    });
  const input = options.input && monitor.input;
  const terminal = config.process.terminal === true;
  const client = {
    shortId: container.id.slice(0, SHORT_ID_LENGTH),
    keys: input && terminal ? keys : [], // elsewhere they may be anything
    signals: options.signals,
    streams: { input, terminal: isTerminal(0) && terminal },
    terminal,
    once: !terminal && container.options !== undefined && endsWithClient(container.options),
  };
  const place = {
    directory: claimRun(engine.paths, identity),
    program: engine.program,
    arguments: ["--root", engine.paths.root, "--state", engine.paths.state],
    env: [],
  };
  const made: AttachRecord = { kind: "attach", client, run: run.directory, place, build: BUILD };
  const { file, layout } = encode(planAttach(client, run.directory, place), engine.facts.arch);
  return { directory: place.directory, file: withTrailer(file, made), layout, container };
}
