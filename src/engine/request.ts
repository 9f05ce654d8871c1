/** What a user asked for, held against the host: images found, sources of mounts there, ids looked up. The whole of what a plan depends on. */
import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { invalid, VitrineError } from "../errors.ts";
import { parseReference } from "../image/reference.ts";
import type { ImageSource } from "../image/source.ts";
import type { Op } from "../plan/plan.ts";
import { CHOICES, type Joins, NO_JOINS } from "../spec/joins.ts";
import type { RunOptions } from "../spec/options.ts";
import type { ResolvedUser } from "../spec/user.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";

export interface Request {
  /** Mount sources are absolute. */
  readonly options: RunOptions;
  readonly timeline: boolean;
  /** As the user named it. */
  readonly label: string;
  readonly image: ImageSource;
  readonly user: ResolvedUser;
  readonly joins: Joins;
  /** Standard input is a terminal, whose mode has to change for the container's one. */
  readonly stdinTerminal: boolean;
  /** What the program that tells of the end needs to look right; nothing of the caller's environment besides. */
  readonly handlerEnv: readonly string[];
  /** What is done once before the run; empty unless `dry`. */
  readonly before: readonly Op[];
}

const ROOT: ResolvedUser = { uid: 0, gid: 0, additionalGids: [], home: "/root" };

/** @param dry change nothing: an image that is not assembled yet stays so */
export async function resolveRequest(
  engine: Engine,
  asked: RunOptions,
  timeline: boolean,
  dry: boolean,
): Promise<Request> {
  const options = { ...asked, volumes: asked.volumes.map(absoluteVolume), mounts: asked.mounts.map(absoluteMount) };
  const { image, label, before } = await imageOf(engine, options, dry);
  const user = options.user === undefined ? ROOT : await lookUp(engine, options.user, image, before.length === 0);
  const joins = CHOICES.some(([flag]) => options[flag].includes(":"))
    ? await (await import("./joins.ts")).resolveJoins(engine, options)
    : NO_JOINS;
  const handlerEnv = ["NO_COLOR", "TERM", "LANG"].flatMap((n) =>
    process.env[n] === undefined ? [] : [`${n}=${process.env[n]}`],
  );
  return {
    options,
    timeline,
    label,
    image,
    user,
    joins,
    stdinTerminal: options.tty && isTerminal(0),
    handlerEnv,
    before,
  };
}

/** Equal keys give equal plans, but for the identity. The name is part of that, and checked apart. */
export function keyOf(engine: Engine, { options, ...rest }: Request): string {
  const { paths, program, stage, facts } = engine;
  return JSON.stringify([BUILD, paths, program, stage.path, facts.boot, { ...options, name: undefined }, rest]);
}

/** Without node:tty, which a warm start does not load. */
function isTerminal(fd: number): boolean {
  try {
    return /^\/dev\/(pts\/\d+|tty\w*|console|hvc\d+)$/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false; // closed
  }
}

async function lookUp(engine: Engine, text: string, image: ImageSource, assembled: boolean): Promise<ResolvedUser> {
  const { resolveIn } = await import("./user.ts");
  return resolveIn(engine, text, image, assembled);
}

interface Found {
  readonly image: ImageSource;
  readonly label: string;
  readonly before: readonly Op[];
}

async function imageOf({ paths, stage }: Engine, options: RunOptions, dry: boolean): Promise<Found> {
  if (options.rootfs !== undefined)
    return { image: directoryImage(options.rootfs, "--rootfs"), label: `rootfs:${options.rootfs}`, before: [] };
  if (options.rwRootfs) throw invalid("--rw-rootfs: goes with --rootfs DIR only");
  if (options.image === undefined)
    throw new VitrineError("USAGE", "no image", { hint: "vitrine run IMAGE [CMD…], or vitrine run --rootfs DIR CMD…" });
  const label = options.image;
  const reference = parseReference(label);
  if (reference.kind === "rootfs") return { image: directoryImage(reference.directory, "image"), label, before: [] };
  const { knownHostImage } = await import("../image/hostindex.ts");
  const known = knownHostImage(paths, reference.programs);
  if (known) return { image: known, label, before: [] };
  const { assembleHostImage } = await import("../image/host.ts");
  const { image, ops, commit } = assembleHostImage(paths, reference.programs);
  if (dry) return { image, label, before: ops };
  const { carryOut } = await import("./plans.ts");
  carryOut(stage.path, paths, ops);
  commit();
  return { image, label, before: [] };
}

function directoryImage(path: string, what: string): ImageSource {
  const stat = path === "" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${what} "${path}": no such directory`);
  if (!stat.isDirectory()) throw invalid(`${what} "${path}": not a directory`);
  return { layers: [realpathSync(path)], config: { command: [], env: [] } };
}

/** A source that is not there is an error: docker makes a directory, and a misspelt path then goes unseen. */
function sourceOf(path: string, what: string): string {
  const source = resolve(path);
  if (!lstatSync(source, { throwIfNoEntry: false }))
    throw new VitrineError("NOT_FOUND", `${what}: "${source}" is not there`, { hint: "make it first" });
  return source;
}

function absoluteVolume(text: string): string {
  const [source = "", ...rest] = text.split(":");
  return /^[./]/.test(source) ? [sourceOf(source, `--volume "${text}"`), ...rest].join(":") : text;
}

function absoluteMount(text: string): string {
  if (!/(^|,)type=bind(,|$)/.test(text)) return text;
  return text.replace(
    /(?<=^|,)(source|src)=([^,]*)/,
    (_, key: string, path: string) => `${key}=${sourceOf(path, `--mount "${text}"`)}`,
  );
}
