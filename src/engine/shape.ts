/** From a request to the config and the input of the planner: for the stand-in identity, see container/template.ts. */
import { type Identity, runDirectory } from "../container/identity.ts";
import { containerDirectory, nameFile } from "../container/paths.ts";
import type { RunShape } from "../container/record.ts";
import { SHORT_ID_LENGTH } from "../container/template.ts";
import { VitrineError } from "../errors.ts";
import { missingControllers } from "../plan/cgroup.ts";
import type { Monitoring } from "../plan/monitor.ts";
import type { RootSource } from "../plan/rootfs.ts";
import type { RunInput } from "../plan/run.ts";
import { keptFilter } from "../plan/seccomp.ts";
import type { Resources } from "../spec/config.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../spec/detachkeys.ts";
import { generateConfig } from "../spec/generate.ts";
import type { RunOptions } from "../spec/options.ts";
import { timeoutOf } from "../spec/process.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";
import type { Request } from "./request.ts";

export function shapeOf(engine: Engine, request: Request, identity: Identity): RunShape {
  const { paths, facts, stage, program } = engine;
  const { options, image, user, timeline, label, joins, again } = request;
  const keep = again || !options.rm;
  const { id, rangeStart } = identity;
  const from = {
    id,
    shortId: id.slice(0, SHORT_ID_LENGTH),
    rangeStart,
    user,
    image: image.config,
    joins,
    rlimits: request.rlimits,
    held: BigInt(request.held),
    seccomp: request.seccomp,
  };
  const config = generateConfig(options, from, facts);
  config.linux.resources = possible(config.linux.resources, options, engine);
  const directory = containerDirectory(paths, id);
  const root: RootSource = options.rwRootfs
    ? { kind: "directory", path: image.layers[0] ?? "" }
    : { kind: "overlay", layers: image.layers, scratch: directory, throwAway: !keep };
  const input: RunInput = {
    id,
    config,
    root,
    place: {
      directory: runDirectory(paths, identity),
      program,
      arguments: ["--root", paths.root, "--state", paths.state],
      env: request.handlerEnv,
    },
    directory,
    nameFile: nameFile(paths, identity.name),
    ...(again ? { again } : {}),
    keep,
    tell: timeline || keep,
    stage,
    inodes: joins.inodes,
    streams: { input: options.interactive, terminal: request.stdinTerminal },
    init: options.init,
    seccomp: config.linux.seccomp && keptFilter(config.linux.seccomp, facts.arch),
    raisedLimits: request.raisedLimits,
    timeoutMs: timeoutOf(options),
    monitor: monitoringOf(options),
    ...(options.cidfile === undefined ? {} : { cidfile: options.cidfile }),
  };
  const asked = { options: { ...options, name: undefined }, source: image };
  const kept = { keep, ...asked, timeline, input, facts, build: BUILD };
  return { image: label, ...(image.id === undefined ? {} : { imageId: image.id }), ...kept };
}

/** A container that goes on without the command, or may do so: -d, and -it with its keys. */
function monitoringOf({ detach, detachKeys, interactive, tty, sigProxy }: RunOptions): Monitoring | undefined {
  if (!detach && !(tty && interactive)) {
    if (detachKeys !== undefined) parseDetachKeys(detachKeys);
    if (!sigProxy)
      throw new VitrineError(
        "UNSUPPORTED",
        "--sig-proxy=false: without -it the command itself is the container's parent",
        {
          hint: "setsid(1) before vitrine keeps the signals of its terminal away",
        },
      );
    return undefined;
  }
  const keys = parseDetachKeys(detachKeys ?? DEFAULT_DETACH_KEYS);
  return { detached: detach, input: interactive, keys: detach ? [] : keys, signals: sigProxy };
}

/** A limit that no controller of this host can give is an error; our own default is left out instead. */
function possible(resources: Resources, options: RunOptions, { facts }: Engine): Resources {
  const missing = missingControllers(facts, resources);
  const { pids, ...others } = resources;
  const left = missing.includes("pids") && options.pidsLimit === undefined ? others : resources;
  const [lacking] = missingControllers(facts, left);
  if (lacking !== undefined)
    throw new VitrineError(
      "LIMIT_UNAVAILABLE",
      `this host cannot limit ${lacking}: no cgroup hierarchy has that controller`,
      {
        hint: "see /proc/cgroups; it may have to be enabled on the kernel's command line",
      },
    );
  return left;
}
