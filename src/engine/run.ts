/** `run` in the foreground: from options to a plan file, and then this process becomes the stage. */
import { randomBytes } from "node:crypto";
import { lstatSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { encodeRecord } from "../container/journal.ts";
import { checkName, inventName } from "../container/name.ts";
import { containerDirectory, nameFile } from "../container/paths.ts";
import type { RunRecord } from "../container/record.ts";
import { claimRun, dropRun, planFile, type Run, writePlan } from "../container/runs.ts";
import { createContainer } from "../container/store.ts";
import { invalid, VitrineError } from "../errors.ts";
import { hostImage } from "../image/host.ts";
import { parseReference } from "../image/reference.ts";
import type { ImageSource } from "../image/source.ts";
import { missingControllers } from "../plan/cgroup.ts";
import type { Op, Plan } from "../plan/plan.ts";
import type { RootSource } from "../plan/rootfs.ts";
import { planRun, type RunInput } from "../plan/run.ts";
import type { Config } from "../spec/config.ts";
import { generateConfig } from "../spec/generate.ts";
import type { RunOptions } from "../spec/options.ts";
import type { ResolvedUser } from "../spec/user.ts";
import { encode } from "../stage/encode.ts";
import { becomeStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { collect } from "./gc.ts";
import { carryOut } from "./plans.ts";

export interface Prepared {
  readonly record: RunRecord;
  readonly plan: Plan;
  /** To be done once, before the run: an image that is not assembled yet. */
  readonly before: readonly Op[];
  readonly run: Run;
}

export interface RunManner {
  /** Tell how long each step took, when it is over. */
  readonly timeline: boolean;
  /** Claim nothing and change nothing: the plan is only to be looked at. */
  readonly dry: boolean;
  /** CLOCK_MONOTONIC, nanoseconds. */
  readonly began: bigint;
}

const ROOT: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: "/root" };

/** Runs a container in the foreground. Does not return: this process goes on as the stage and ends as the container does. */
export async function runForeground(engine: Engine, options: RunOptions, manner: RunManner): Promise<never> {
  collect(engine, false);
  const prepared = await prepareRun(engine, options, { ...manner, dry: false });
  const { record, run } = prepared;
  try {
    const { file } = encode(prepared.plan, engine.facts.arch, encodeRecord(record));
    if (record.keep) createContainer(engine.paths, containerRecord(record), record.input.config);
    writePlan(run, file);
  } catch (error) {
    dropRun(run.directory);
    throw error;
  }
  becomeStage(engine.stage.path, planFile(run.directory));
}

/** Everything about a run up to its plan. With `manner.dry` nothing is claimed or written. */
export async function prepareRun(engine: Engine, options: RunOptions, manner: RunManner): Promise<Prepared> {
  const { paths, facts, stage } = engine;
  const random = randomBytes(40);
  const id = random.subarray(0, 32).toString("hex");
  const name = options.name === undefined ? inventName(random.subarray(32)) : checkName(options.name);
  if (options.name !== undefined && statSync(nameFile(paths, name), { throwIfNoEntry: false }))
    throw new VitrineError("CONFLICT", `--name "${name}": a container with this name is there`, { hint: `vitrine rm ${name}, or take another name` });
  const { source, label, before, commit } = imageOf(engine, options);
  if (before.length > 0 && !manner.dry) {
    carryOut(stage.path, paths, before);
    commit();
  }
  const user = options.user === undefined ? ROOT : await lookUpUser(engine, options.user, source, before.length === 0 || !manner.dry);
  const config = checked(generateConfig(options, { id, rangeStart: rangeStart(random), user, image: source.config }, facts, (n) => process.env[n]), options, engine);
  if (!facts.overlayByFd && !options.rwRootfs)
    throw new VitrineError("UNSUPPORTED", `Linux ${facts.kernel}: overlayfs takes no layers by descriptor here`, { hint: "Linux 6.13 and later can; or use --rootfs DIR --rw-rootfs" });
  const directory = containerDirectory(paths, id);
  const root: RootSource = options.rwRootfs
    ? { kind: "directory", path: source.layers[0] ?? "" }
    : { kind: "overlay", layers: source.layers, scratch: `${directory}/rw`, throwAway: options.rm };
  const run = manner.dry ? { id, pid: process.pid, start: "0", directory: `${paths.state}/runs/${id}` } : claimRun(paths, id);
  const input: RunInput = {
    id,
    config,
    root,
    place: {
      directory: run.directory,
      program: engine.program,
      arguments: ["--root", paths.root, "--state", paths.state],
      env: handlerEnvironment(),
    },
    directory,
    nameFile: nameFile(paths, name),
    keep: !options.rm,
    tell: manner.timeline || !options.rm,
    stage: { path: stage.path, size: stage.size },
  };
  const record: RunRecord = {
    id,
    name,
    image: label,
    created: Date.now(),
    began: manner.began.toString(),
    keep: !options.rm,
    timeline: manner.timeline,
    input,
    facts,
  };
  return { record, plan: planRun(input, facts), before, run };
}

function containerRecord({ id, name, image, created, input }: RunRecord) {
  return { id, name, image, command: input.config.process.args, created, status: "running" as const };
}

/** What the program that tells of the end needs to look right; nothing of the caller's environment besides. */
function handlerEnvironment(): string[] {
  return ["NO_COLOR", "TERM", "LANG"].flatMap((n) => (process.env[n] === undefined ? [] : [`${n}=${process.env[n]}`]));
}

/** Ids from 0x70000000 up, 65536 at a time: above what systemd-nspawn takes for itself, below 2^31. See docs/decisions/0004-id-ranges.md. */
function rangeStart(random: Uint8Array): number {
  return 0x70000000 + ((((random[36] ?? 0) << 8) | (random[37] ?? 0)) & 0xfff) * 0x10000;
}

interface ImageOf {
  readonly source: ImageSource;
  readonly label: string;
  readonly before: readonly Op[];
  commit(): void;
}

function imageOf({ paths }: Engine, options: RunOptions): ImageOf {
  const nothing = { before: [], commit() {} };
  if (options.rootfs !== undefined)
    return { source: directoryImage(options.rootfs, "--rootfs"), label: `rootfs:${options.rootfs}`, ...nothing };
  if (options.rwRootfs) throw invalid("--rw-rootfs: goes with --rootfs DIR only");
  if (options.image === undefined) throw new VitrineError("USAGE", "no image", { hint: "vitrine run IMAGE [CMD…], or vitrine run --rootfs DIR CMD…" });
  const reference = parseReference(options.image);
  if (reference.kind === "rootfs") return { source: directoryImage(reference.directory, "image"), label: options.image, ...nothing };
  const { source, assemble, commit } = hostImage(paths, reference.programs);
  return { source, label: options.image, before: assemble, commit };
}

function directoryImage(path: string, what: string): ImageSource {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${what} "${path}": no such directory`);
  if (!stat.isDirectory()) throw invalid(`${what} "${path}": not a directory`);
  return { layers: [realpathSync(path)], config: { command: [], env: [] } };
}

async function lookUpUser(engine: Engine, text: string, source: ImageSource, assembled: boolean): Promise<ResolvedUser> {
  const { resolveIn } = await import("./user.ts");
  return resolveIn(engine, text, source, assembled);
}

/** What only the host can tell: sources of binds, and controllers for limits. */
function checked(config: Config, options: RunOptions, { facts }: Engine): Config {
  const mounts = config.mounts.map((mount) => {
    if (mount.type !== "bind") return mount;
    const source = isAbsolute(mount.source ?? "") ? (mount.source ?? "") : resolve(mount.source ?? "");
    if (!lstatSync(source, { throwIfNoEntry: false }))
      throw new VitrineError("NOT_FOUND", `mount of "${source}" on ${mount.destination}: the source is not there`, { hint: "make it first: a misspelt path should not become an empty directory" });
    return { ...mount, source };
  });
  const missing = missingControllers(facts, config.linux.resources);
  const resources = { ...config.linux.resources };
  if (missing.includes("pids") && options.pidsLimit === undefined) delete resources.pids; // only our default
  const [lacking] = missingControllers(facts, resources);
  if (lacking !== undefined)
    throw new VitrineError("LIMIT_UNAVAILABLE", `this host cannot limit ${lacking}: no cgroup hierarchy has that controller`, { hint: "see /proc/cgroups; it may have to be enabled on the kernel's command line" });
  return { ...config, mounts, linux: { ...config.linux, resources } };
}
