/** `create` and `run`: from a bundle to a plan file, and then this process becomes the stage. */
import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import { type Identity, newIdentity, runDirectory, STAND_IN } from "../container/identity.ts";
import { claimRun, dropRun, writePlan } from "../container/runs.ts";
import { isTerminal } from "../container/terminal.ts";
import { withTrailer } from "../container/trailer.ts";
import { collect } from "../engine/gc.ts";
import { hardLimits } from "../engine/limits.ts";
import { softFiles } from "../engine/softfiles.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { planCreate } from "../plan/create.ts";
import type { CreateInput, Marks } from "../plan/created.ts";
import type { Config } from "../spec/config.ts";
import { encode, type Layout } from "../stage/encode.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { handOver } from "./become.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import type { CreateRecord } from "./container.ts";
import { containerPath, environmentOfOurs, type Runtime } from "./context.ts";
import { checkId } from "./id.ts";

export interface CreateOptions {
  readonly id: string;
  readonly bundle: string;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly preserveFds: number;
  readonly noNewKeyring: boolean;
  /** The groups are a scope of systemd's. */
  readonly systemdCgroup?: boolean;
  /** Those of the whole command line. */
  readonly words?: readonly string[];
  /** Undefined: created only. */
  readonly run?: { readonly detach: boolean; readonly keep: boolean } | undefined;
}

/** A plan with all that is to be written to its file, and the directory of its run, which is claimed. */
export interface Prepared {
  readonly directory: string;
  readonly file: Uint8Array;
  readonly layout: Layout;
}

/** This process goes on as the stage, and does not return, but with descriptors to hand on. @param warn is told what was not done as asked */
export async function createContainer(
  runtime: Runtime,
  options: CreateOptions,
  warn: (text: string) => void,
): Promise<number> {
  const { directory, file } = await prepareCreate(runtime, options, newIdentity(checkId(options.id)), warn);
  writePlan(directory, file);
  return handOver(runtime, directory, preservedDescriptors(options.preserveFds));
}

/** @param identity of the process that will be the stage */
export async function prepareCreate(
  runtime: Runtime,
  options: CreateOptions,
  identity: Identity,
  warn: (text: string) => void,
): Promise<Prepared> {
  const { paths } = runtime.engine;
  await collect(runtime.engine); // first: it may free the id
  checkNew(runtime, options.id);
  const bundle = await bundleOf(runtime, options);
  for (const warning of bundle.warnings) warn(warning);
  checkTerminal(bundle.config, options);
  const directory = claimRun(paths, identity);
  try {
    const created = new Date().toISOString();
    const { file, layout } = await planBundle(runtime, options, bundle, identity, created);
    if (mayComeAgain(runtime, bundle, options))
      await keepIfAgain(runtime, options, bundle, { file, identity, created });
    return { directory, file, layout };
  } catch (error) {
    dropRun(directory);
    throw error;
  }
}

async function bundleOf(runtime: Runtime, { bundle, id, systemdCgroup }: CreateOptions): Promise<Bundle> {
  const scopeOf = systemdCgroup ? (await import("./scope.ts")).scopeOf : undefined;
  return readBundle(bundle, id, runtime.engine.facts, { directory: containerPath(runtime, id), scopeOf });
}

async function planBundle(
  runtime: Runtime,
  options: CreateOptions,
  bundle: Bundle,
  identity: Identity,
  created: string,
): Promise<{ file: Uint8Array; layout: Layout }> {
  const { engine } = runtime;
  const { facts } = engine;
  const { config } = bundle;
  const { id } = options;
  const input: CreateInput = {
    id,
    config,
    directory: containerPath(runtime, id),
    root: { kind: "directory", path: config.root.path, asItIs: true, follows: follows(config) },
    place: {
      directory: runDirectory(engine.paths, identity),
      program: engine.program,
      arguments: runtime.global,
      env: environmentOfOurs(),
    },
    stage: engine.stage,
    bundle: { directory: bundle.directory },
    scope: bundle.scope,
    created,
    owner: "",
    pidFile: options.pidFile === undefined ? undefined : resolve(options.pidFile),
    consoleSocket: options.consoleSocket === undefined ? undefined : resolve(options.consoleSocket),
    preserved: preservedDescriptors(options.preserveFds),
    sharedKeyring: options.noNewKeyring,
    inodes: {},
    init: false,
    raisedLimits: raisedLimits(config),
    softFiles: softFiles(),
    ...(config.linux.seccomp ? { seccomp: await compiled(config, engine) } : {}),
    ...(options.run ? { run: manner(options.run) } : {}),
    ...(await hostParts(runtime, config, id)),
  };
  const plan = planCreate(input, facts);
  const { file, layout } = encode(plan, facts.arch);
  return { file: withTrailer(file, createRecord("create", identity, input, facts, plan.marks, layout)), layout };
}

/** What is asked of the host, or told, anew each time is not for a template. */
function mayComeAgain({ global }: Runtime, bundle: Bundle, { id, words, preserveFds }: CreateOptions): boolean {
  const { config, scope, warnings } = bundle;
  const { netDevices, intelRdt, namespaces } = config.linux;
  const told = warnings.length > 0 && global.some((word) => word === "--log" || word === "--debug");
  return (
    words?.at(-1) === id &&
    preservedDescriptors(preserveFds) === 0 &&
    !(told || scope || netDevices || intelRdt || namespaces.some(({ path }) => path !== undefined))
  );
}

/** At the second time: a bundle that comes once, as callers like podman make them, costs no more than a note. */
async function keepIfAgain(
  runtime: Runtime,
  options: CreateOptions,
  bundle: Bundle,
  real: { readonly file: Uint8Array; readonly identity: Identity; readonly created: string },
): Promise<void> {
  const { paths, stage } = runtime.engine;
  const { isSeen, keepTemplate, standInId, STAND_IN_CREATED } = await import("./template.ts");
  const asked = { words: options.words ?? [], id: options.id, config: bundle.text, root: bundle.askedRoot };
  try {
    if (!isSeen(paths, asked)) return;
    const others = { ...options, id: standInId(options.id.length) };
    const theirs = await bundleOf(runtime, others);
    const { file } = await planBundle(runtime, others, theirs, { ...STAND_IN, name: others.id }, STAND_IN_CREATED);
    keepTemplate(paths, stage.path, asked, { file, bundle: bundle.directory, root: bundle.config.root.path }, real);
  } catch (error) {
    // A full disk, or another command that drops all templates: it goes without one.
    if (!("errno" in (error as object))) throw error;
  }
}

/** Its directory. @throws CONFLICT if there is one */
export function checkNew(runtime: Runtime, id: string): string {
  const directory = containerPath(runtime, id);
  if (lstatSync(directory, { throwIfNoEntry: false }))
    throw new VitrineError("CONFLICT", `container with given ID already exists: ${id}`, {
      hint: "delete it, or take another id",
    });
  return directory;
}

export function createRecord<I extends CreateInput>(
  kind: CreateRecord["kind"],
  identity: Identity,
  input: I,
  facts: HostFacts,
  marks: Marks,
  layout: Layout,
): CreateRecord {
  return {
    kind,
    identity,
    input,
    facts,
    build: BUILD,
    pidRecord: layout.instructions.findIndex((p) => p.instruction === marks.pid),
    inodeRecord: layout.instructions.findIndex((p) => p.instruction === marks.inode),
    statOutput: layout.outs.get(marks.stat) ?? 0,
  };
}

function manner({ detach, keep }: { detach: boolean; keep: boolean }): NonNullable<CreateInput["run"]> {
  return detach ? { wait: false } : { wait: true, keep, streams: { input: true, terminal: isTerminal(0) } };
}

const follows = ({ linux }: Config) => linux.rootfsPropagation === "slave" || linux.rootfsPropagation === "shared";

/** As runc has it: a terminal needs somebody at its other end. */
function checkTerminal(config: Config, { consoleSocket, run }: CreateOptions): void {
  const terminal = config.process.terminal === true;
  const waits = run !== undefined && !run.detach;
  if (terminal && !waits && consoleSocket === undefined)
    throw invalid(
      "cannot allocate tty if the runtime will detach without setting console socket",
      "add --console-socket",
    );
  if (consoleSocket !== undefined && (!terminal || waits))
    throw invalid("cannot use console socket if the runtime will not detach or allocate tty");
}

/** Those of systemd's socket activation count too: sd_listen_fds(3). */
export function preservedDescriptors(asked: number): number {
  return asked + Number(process.env.LISTEN_FDS ?? 0);
}

export function raisedLimits({ process }: Config): string[] {
  if (!process.rlimits?.length) return [];
  const hard = hardLimits();
  const above = (a: number | bigint, b: number) => b >= 0 && (a < 0 || a > b);
  return process.rlimits.filter((r) => above(r.hard, hard[r.type] ?? -1)).map((r) => r.type);
}

/** Properties that few bundles have, and that depend on what is on this host. */
async function hostParts(runtime: Runtime, { linux }: Config, id: string): Promise<Partial<CreateInput>> {
  const { netDevices, intelRdt } = linux;
  const parts: { -readonly [K in keyof CreateInput]?: CreateInput[K] } = {};
  if (netDevices) parts.netDevices = (await import("./netdevices.ts")).findDevices(runtime, netDevices);
  if (intelRdt) {
    const { resctrlGroups, resctrlMount } = await import("./resctrl.ts");
    parts.resctrl = resctrlGroups(intelRdt, id, resctrlMount());
  }
  return parts;
}

async function compiled({ linux }: Config, { facts }: Runtime["engine"]) {
  const { keptFilter } = await import("../plan/seccomp.ts");
  return linux.seccomp && keptFilter(linux.seccomp, facts.arch);
}
