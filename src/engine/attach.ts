/** `attach`: this process becomes a client of a container's monitor. */
import { newIdentity } from "../container/identity.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { SHORT_ID_LENGTH } from "../container/template.ts";
import { isTerminal } from "../container/terminal.ts";
import { VitrineError } from "../errors.ts";
import { planAttach } from "../plan/client.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../spec/detachkeys.ts";
import { becomeStage } from "../stage/become.ts";
import { encode } from "../stage/encode.ts";
import type { Engine } from "./context.ts";
import { needRunning } from "./running.ts";

export interface AttachOptions {
  readonly detachKeys?: string | undefined;
  /** Hand standard input on, if the container has one. */
  readonly input: boolean;
  readonly signals: boolean;
}

/** Does not return. @throws CONFLICT if it does not run, or has no monitor */
export async function attachContainer(engine: Engine, nameOrId: string, options: AttachOptions): Promise<never> {
  const keys = parseDetachKeys(options.detachKeys ?? DEFAULT_DETACH_KEYS);
  const { container, run, record } = await needRunning(engine, nameOrId);
  const { monitor, config } = record.input;
  if (!monitor)
    throw new VitrineError("CONFLICT", `container ${container.name} has the streams of the command that runs it`, {
      hint: "those that are run with -d or -it can be attached to",
    });
  const input = options.input && monitor.input;
  const place = {
    directory: claimRun(engine.paths, newIdentity(undefined)),
    program: engine.program,
    arguments: ["--root", engine.paths.root, "--state", engine.paths.state],
    env: [],
  };
  const client = {
    shortId: container.id.slice(0, SHORT_ID_LENGTH),
    keys: input ? keys : [],
    signals: options.signals,
    streams: { input, terminal: isTerminal(0) && config.process.terminal === true },
    terminal: config.process.terminal === true,
  };
  try {
    writePlan(place.directory, encode(planAttach(client, run.directory, place), engine.facts.arch).file);
  } catch (error) {
    dropRun(place.directory);
    throw error;
  }
  becomeStage(engine.stage.path, planFile(place.directory));
}
