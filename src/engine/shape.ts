/** From a request to the config and the input of the planner: for the stand-in identity, see container/template.ts. */
import { type Identity, LONGEST_NAME, runDirectory, tokenOf } from "../container/identity.ts";
import { labelsOf } from "../container/labels.ts";
import { messageTo, ownersEnvironment, ownersPid } from "../container/owner.ts";
import { containerDirectory, eventsFile, nameFile, nextRecordFile, volumesDirectory } from "../container/paths.ts";
import type { RunShape } from "../container/record.ts";
import { SHORT_ID_LENGTH } from "../container/template.ts";
import { invalid, VitrineError } from "../errors.ts";
import { missingControllers } from "../plan/cgroup.ts";
import type { Monitoring } from "../plan/monitor.ts";
import type { RootSource } from "../plan/rootfs.ts";
import type { RunInput } from "../plan/run.ts";
import { keptFilter } from "../plan/seccomp.ts";
import { attachedTo, endsWithClient } from "../spec/attached.ts";
import type { Mount, Resources } from "../spec/config.ts";
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from "../spec/detachkeys.ts";
import { generateConfig } from "../spec/generate.ts";
import { healthCheckOf, nextLook, STARTING } from "../spec/health.ts";
import { asksForLog, logChoice } from "../spec/logs.ts";
import type { RunOptions } from "../spec/options.ts";
import { timeoutOf } from "../spec/process.ts";
import { parseRestart } from "../spec/restart.ts";
import { ownerOfVolume, volumeOf } from "../spec/volume.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";
import { etcOf } from "./network/etcfiles.ts";
import { planInput } from "./network/networking.ts";
import type { Request } from "./request.ts";

export function shapeOf(engine: Engine, request: Request, identity: Identity): RunShape {
  const { paths, facts, stage, program } = engine;
  const { options, image, user, timeline, label, joins, again } = request;
  const keep = again || !options.rm;
  const { id, rangeStart } = identity;
  const directory = containerDirectory(paths, id);
  const owner = options.owned ? identity.owner : undefined;
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
    volumesAt: volumesDirectory(paths),
    volumes: request.volumes,
  };
  const { made, shared, hostname } = etcOf(request, identity);
  const etc = { ...shared, ...mapValues(made, (name) => `${directory}/${name}`) };
  const alone = request.networks?.networks.length === 0; // disconnected from all of them
  const configured = alone ? { ...options, network: "none" } : options;
  const config = generateConfig(configured, { ...from, hostname, etc }, facts);
  config.linux.resources = possible(config.linux.resources, options, engine);
  const check = healthCheckOf(options, image.config.healthcheck);
  const root: RootSource = options.rwRootfs
    ? { kind: "directory", path: image.layers[0] ?? "" }
    : { kind: "overlay", layers: image.layers, scratch: directory, throwAway: !keep };
  const { name: _, exitCode: __, ...labels } = labelsOf({ options, source: image });
  const input: RunInput = {
    id,
    config,
    root,
    place: {
      directory: runDirectory(paths, identity),
      program,
      arguments: ["--root", paths.root, "--state", paths.state],
      env: [...request.handlerEnv, ...(owner === undefined ? [] : [ownersEnvironment(owner)])],
    },
    directory,
    files: Object.entries(made).map(([name, text]) => ({ name, text })),
    ...(request.networks ? { networks: planInput(engine, request.networks, identity, request.handlerEnv) } : {}),
    nameFile: nameFile(paths, identity.name),
    ...(again ? { nextRecord: nextRecordFile(paths, id, tokenOf(identity)) } : {}),
    keep,
    ...volumesWithoutName(config.mounts, volumesDirectory(paths), id),
    ...(check ? { healthIn: nextLook(check, STARTING, 0) } : {}),
    ...(policyOf(options) === "no" ? {} : { mayRestart: true }),
    ...(request.restartsIn === undefined ? {} : { restartsIn: request.restartsIn }),
    tell: timeline || keep,
    stage,
    inodes: joins.inodes,
    streams: { input: request.client?.typing ?? endsWithClient(options), terminal: request.stdinTerminal },
    init: options.init,
    ...(owner === undefined ? {} : { owner: { pid: ownersPid(owner), started: messageTo(owner, { started: id }) } }),
    seccomp: config.linux.seccomp && keptFilter(config.linux.seccomp, facts.arch),
    raisedLimits: request.raisedLimits,
    softFiles: request.softFiles,
    timeoutMs: timeoutOf(options),
    monitor: monitoringOf(request, check !== undefined),
    told: {
      file: eventsFile(paths),
      id,
      name: identity.name,
      nameRoom: LONGEST_NAME,
      attributes: { ...labels, image: label },
    },
    ...(options.cidfile === undefined ? {} : { cidfile: options.cidfile }),
  };
  const asked = { options: { ...options, name: undefined }, source: image };
  const glance = { networked: input.networks !== undefined, cgroupsPath: config.linux.cgroupsPath, facts };
  const kept = { keep, ...asked, timeline, ...glance, input, build: BUILD };
  return { image: label, ...(image.id === undefined ? {} : { imageId: image.id }), ...kept };
}

const mapValues = <K extends string>(values: Readonly<Partial<Record<K, string>>>, to: (key: K) => string) =>
  Object.fromEntries(Object.keys(values).map((key) => [key, to(key as K)])) as Partial<Record<K, string>>;

/** Directories of the volumes without a name: its own, and those of others. */
function volumesWithoutName(mounts: readonly Mount[], volumes: string, id: string) {
  const names = mounts.flatMap(({ source }) => (source?.startsWith(`${volumes}/`) ? (volumeOf(source) ?? []) : []));
  const directories = (wanted: (owner: string) => boolean) =>
    names.filter((name) => wanted(ownerOfVolume(name) ?? "")).map((name) => `${volumes}/${name}`);
  const shared = directories((owner) => owner !== "" && owner !== id);
  return {
    anonymousVolumes: directories((owner) => owner === id),
    ...(shared.length > 0 ? { sharedVolumes: [...new Set(shared)] } : {}),
  };
}

/**
 * A container that may go on without the command (-d, keys of -it), that stays when it has ended, or of which more is asked than its
 * parent alone can give. Else the command itself is the parent, and its streams are the container's.
 */
function monitoringOf({ options, client }: Request, checked: boolean): Monitoring | undefined {
  const { attach = [], detach, detachKeys, interactive, tty, sigProxy, rm } = options;
  const { stdout, stderr } = attachedTo(options);
  const all = attach.length === 0;
  const { limits } = logChoice(options);
  const typed = parseDetachKeys(detachKeys ?? DEFAULT_DETACH_KEYS);
  if (rm && all && !checked && !detach && !(tty && interactive) && sigProxy && !asksForLog(options)) return undefined;
  const keys = !detach && tty && interactive ? typed : [];
  return {
    detached: detach,
    input: interactive,
    callers: all,
    once: client?.once ?? endsWithClient(options),
    unseen: detach ? [] : [...(stdout ? [] : ["output" as const]), ...(stderr ? [] : ["error" as const])],
    keys,
    signals: sigProxy,
    log: limits,
  };
}

/** What is removed at its end cannot be started again. */
function policyOf({ restart, rm }: RunOptions): string {
  const { name } = parseRestart(restart);
  if (rm && name !== "no")
    throw invalid(`--restart ${restart}: --rm removes the container when it ends`, "leave out one of both");
  return name;
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
