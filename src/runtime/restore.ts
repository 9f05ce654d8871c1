/** `restore`: a container of a bundle, out of files that `checkpoint` has written. This process becomes the stage. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { newIdentity } from "../container/identity.ts";
import { claimRun, dropRun, writePlan } from "../container/runs.ts";
import { isTerminal } from "../container/terminal.ts";
import { withTrailer } from "../container/trailer.ts";
import { collect } from "../engine/gc.ts";
import { VitrineError } from "../errors.ts";
import { type CriuManner, DESCRIPTORS_FILE, HOST_FILES_FILE, type HostFiles } from "../plan/criu.ts";
import { bindPlace, planRestore, type RestoreInput } from "../plan/restore.ts";
import type { Config } from "../spec/config.ts";
import { encode } from "../stage/encode.ts";
import { handOver } from "./become.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import { placesOf } from "./checkpoint.ts";
import { containerPath, environmentOfOurs, type Runtime } from "./context.ts";
import { checkNew, createRecord } from "./create.ts";
import { checkContainer, findCriu, withConfig } from "./criu.ts";
import { checkId } from "./id.ts";
import { externalSources } from "./outside.ts";

export interface RestoreOptions {
  readonly id: string;
  readonly bundle: string;
  /** "criu", or a path. */
  readonly criu: string;
  readonly imagePath: string;
  /** The images' if not said. */
  readonly workPath: string | undefined;
  readonly pidFile: string | undefined;
  readonly detach: boolean;
  readonly profile: string | undefined;
  readonly mountContext: string | undefined;
  readonly manner: CriuManner;
}

/** Does not return: this process goes on as the stage. @throws NOT_FOUND, CONFLICT, INVALID, UNSUPPORTED */
export async function restoreContainer(
  runtime: Runtime,
  options: RestoreOptions,
  warn: (text: string) => void,
): Promise<number> {
  const { engine } = runtime;
  const { facts, paths } = engine;
  const id = checkId(options.id);
  await collect(engine); // first: it may free the id
  checkNew(runtime, id);
  const criu = findCriu(options.criu);
  const places = placesOf(options.imagePath, options.workPath);
  const files = readFiles(places.images);
  const bundle = readBundle(options.bundle, id, facts, { directory: containerPath(runtime, id) });
  for (const warning of bundle.warnings) warn(warning);
  checkContainer(facts, bundle.config);
  checkHooks(bundle.config);
  const identity = newIdentity(id);
  const run = claimRun(paths, identity);
  try {
    const input: RestoreInput = {
      ...commonInput(runtime, id, run, bundle),
      pidFile: options.pidFile === undefined ? undefined : resolve(options.pidFile),
      ...(options.detach
        ? {}
        : { run: { wait: true, keep: false, streams: { input: true, terminal: isTerminal(0) } } }),
      restore: {
        criu: withConfig(criu, bundle.config),
        places,
        manner: options.manner,
        external: externalSources(bundle.config, bundle.directory, (mount) =>
          bindPlace(containerPath(runtime, id), mount),
        ),
        files,
        profile: options.profile,
        mountContext: options.mountContext,
      },
    };
    const plan = planRestore(input, facts);
    const encoded = encode(plan, facts.arch);
    const record = createRecord("restore", identity, input, facts, plan.marks, encoded.layout);
    writePlan(run, withTrailer(encoded.file, record));
  } catch (error) {
    dropRun(run);
    throw error;
  }
  return handOver(runtime, run, 0);
}

function commonInput(runtime: Runtime, id: string, run: string, bundle: Bundle) {
  const { engine, global } = runtime;
  return {
    id,
    config: withClocks(bundle.config),
    directory: containerPath(runtime, id),
    root: { kind: "directory", path: bundle.config.root.path, asItIs: true, follows: false },
    place: { directory: run, program: engine.program, arguments: global, env: environmentOfOurs() },
    stage: engine.stage,
    bundle: { directory: bundle.directory },
    created: new Date().toISOString(),
    owner: "",
    preserved: 0,
    sharedKeyring: false,
    inodes: {},
    init: false,
    raisedLimits: [],
  } as const;
}

/** criu has the monotonic clocks go on where they were, in a time namespace: later processes go in there too. */
function withClocks(config: Config): Config {
  const { linux } = config;
  if (linux.namespaces.some(({ type }) => type === "time")) return config;
  return { ...config, linux: { ...linux, namespaces: [...linux.namespaces, { type: "time" }] } };
}

/** What callers expect to be done before the container's processes are there: criu is not to be stopped in between. */
function checkHooks({ hooks = {} }: Config): void {
  for (const kind of ["prestart", "createRuntime"] as const)
    if (hooks[kind]?.length)
      throw new VitrineError("UNSUPPORTED", `$.hooks.${kind}: restore has no moment for such hooks`, {
        hint: "restore from a bundle without them, and do their work before",
      });
}

/** What `checkpoint` wrote beside criu's images; runc has written the paths alone, of which pipes are handed on. */
function readFiles(images: string): HostFiles {
  const files = readJson(images, HOST_FILES_FILE);
  const { streams = readJson(images, DESCRIPTORS_FILE), nulls = [] } = (files ?? {}) as Record<string, unknown>;
  if (!Array.isArray(streams) || !Array.isArray(nulls))
    throw new VitrineError("NOT_FOUND", `--image-path ${images}: no checkpoint: ${DESCRIPTORS_FILE} is not there`, {
      hint: "checkpoint writes one",
    });
  const isName = (key: unknown): key is string => typeof key === "string" && /^(pipe:|file)\[[0-9a-f:]+\]$/.test(key);
  return { streams: streams.slice(0, 3).map((key) => (isName(key) ? key : null)), nulls: nulls.filter(isName) };
}

function readJson(directory: string, name: string): unknown {
  try {
    return JSON.parse(readFileSync(`${directory}/${name}`, "utf8"));
  } catch {
    return undefined;
  }
}
