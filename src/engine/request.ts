/** What a user asked for, held against the host: images found, sources of mounts there, ids looked up. The whole of what a plan depends on. */
import { lstatSync, readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { isTerminal } from "../container/terminal.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { ImageSource } from "../image/source.ts";
import type { Op } from "../plan/plan.ts";
import type { Rlimit } from "../spec/config.ts";
import { CHOICES, type Joins, NO_JOINS } from "../spec/joins.ts";
import { isMode } from "../spec/networkchoice.ts";
import type { RunOptions } from "../spec/options.ts";
import { type ResolvedUser, ROOT } from "../spec/user.ts";
import { BUILD } from "../stage/generated/identity.ts";
import type { Engine } from "./context.ts";
import { heldCapabilities } from "./held.ts";
import type { EtcMode } from "./network/etcmode.ts";
import type { RequestedNetworks } from "./network/networking.ts";
import { softFiles } from "./softfiles.ts";
import { type Fetch, type Found, sourceOfRun } from "./source.ts";

export interface Request {
  /** Mount sources are absolute. */
  readonly options: RunOptions;
  readonly timeline: boolean;
  /** As the user named it. */
  readonly label: string;
  readonly image: ImageSource;
  readonly user: ResolvedUser;
  readonly joins: Joins;
  readonly networks: RequestedNetworks | undefined;
  /** Without networks: what it has in /etc besides the image's. */
  readonly etc?: EtcMode | undefined;
  readonly rlimits: readonly Rlimit[];
  readonly raisedLimits: readonly string[];
  readonly softFiles: number | undefined;
  /** Capabilities that the caller has, by bit (hexadecimal). */
  readonly held: string;
  /** Text of the seccomp profile that --security-opt names. */
  readonly seccomp: string | undefined;
  /** What was not done as asked, for the user to know. */
  readonly warnings: readonly string[];
  /** Standard input is a terminal, whose mode has to change for the container's one. */
  readonly stdinTerminal: boolean;
  /** What the program that tells of the end needs to look right; nothing of the caller's environment besides. */
  readonly handlerEnv: readonly string[];
  /** Volumes by name that lie elsewhere than usual. */
  readonly volumes: Readonly<Record<string, string>>;
  /** What is done once before the run; empty unless `dry`. */
  readonly before: readonly Op[];
  /** Of a container that is there already. */
  readonly again: boolean;
  /** Of the command that starts such a one: it hands its standard input on; the end of that is the container's. */
  readonly client?: { readonly typing: boolean; readonly once: boolean };
  /** By its restart policy: so many milliseconds from now. */
  readonly restartsIn?: number;
}

/**
 * @param dry change nothing: an image that is not assembled yet stays so
 * @param fetch gets an image that is not in the store
 * @param known what a container that is there already was made of
 */
export async function resolveRequest(
  engine: Engine,
  asked: RunOptions,
  timeline: boolean,
  dry: boolean,
  fetch?: Fetch,
  known?: Found,
): Promise<Request> {
  const inherited =
    asked.volumesFrom.length > 0 ? await (await import("./volume/volumesfrom.ts")).volumesOf(engine, asked) : [];
  const options: RunOptions = {
    ...asked,
    volumes: [...asked.volumes.map(absoluteVolume), ...inherited],
    volumesFrom: [],
    mounts: asked.mounts.map(absoluteMount),
    devices: asked.devices.map((text) => deviceOf(text, asked)),
    cidfile: asked.cidfile === undefined ? undefined : newFile(asked.cidfile, "--cidfile"),
  };
  const { image, label, before } = known ?? (await sourceOfRun(engine, options, dry, fetch));
  const names = volumeNames(options);
  const volumes = names.length > 0 ? (await import("./volume/store.ts")).resolveVolumes(engine, names, dry) : {};
  const wanted = { ...options, user: options.user ?? image.config.user };
  const user =
    wanted.user === undefined && wanted.groupAdd.length === 0
      ? ROOT
      : (await import("./user.ts")).resolveIn(engine, wanted, image, before.length === 0);
  const { joins, networkOf } = CHOICES.some(([flag]) => options[flag].includes(":"))
    ? await (await import("./joins.ts")).resolveJoins(engine, options)
    : { joins: NO_JOINS, networkOf: undefined };
  const { networks = [], publish = [], publishAll = false } = options;
  const requested =
    networks.length > 0 || publish.length > 0 || publishAll || saysOfNetworks(options) || !isMode(options.network)
      ? await (await import("./network/networking.ts")).resolveNetworks(engine, options, image.config.exposed ?? [], {
          dry,
          again: known !== undefined,
        })
      : undefined;
  const etc =
    requested || (options.network === "none" && !asksResolver(options) && (options.addHosts ?? []).length === 0)
      ? undefined
      : await (await import("./network/etcmode.ts")).etcModeOf(options, networkOf);
  const { rlimits, raised, warnings } =
    options.ulimits.length > 0
      ? (await import("./limits.ts")).resolveRlimits(options.ulimits)
      : { rlimits: [], raised: [], warnings: [] };
  const handlerEnv = ["NO_COLOR", "TERM", "LANG"].flatMap((n) =>
    process.env[n] === undefined ? [] : [`${n}=${process.env[n]}`],
  );
  return {
    options: { ...options, securityOpt: options.securityOpt.map(absoluteProfile) },
    timeline,
    label,
    image,
    user,
    joins,
    networks: requested,
    ...(etc ? { etc } : {}),
    rlimits,
    raisedLimits: raised,
    softFiles: softFiles(),
    seccomp: seccompText(options.securityOpt),
    held:
      options.privileged || options.capAdd.length > 0 ? `0x${heldCapabilities().toString(16)}` : "0xffffffffffffffff",
    warnings,
    stdinTerminal: options.tty && isTerminal(0),
    handlerEnv,
    volumes,
    before,
    again: known !== undefined,
  };
}

/** Equal keys give equal plans, but for the identity. The name is part of that, and checked apart. */
export function keyOf(engine: Engine, { options, ...rest }: Request): string {
  const { paths, program, stage, facts } = engine;
  return JSON.stringify([BUILD, paths, program, stage.path, facts.boot, { ...options, name: undefined }, rest]);
}

/** Something is to stand in /etc/resolv.conf. */
export const asksResolver = ({ dns = [], dnsSearch = [], dnsOptions = [] }: RunOptions): boolean =>
  [...dns, ...dnsSearch, ...dnsOptions].some((word) => word !== "none");

const saysOfNetworks = ({ ip, ip6, macAddress, networkAliases = [] }: RunOptions) =>
  ip !== undefined || ip6 !== undefined || macAddress !== undefined || networkAliases.length > 0;

/** A source that is not there is an error: docker makes a directory, and a misspelt path then goes unseen. */
function sourceOf(path: string, what: string): string {
  const source = resolve(path);
  if (!lstatSync(source, { throwIfNoEntry: false }))
    throw new VitrineError("NOT_FOUND", `${what}: "${source}" is not there`, { hint: "make it first" });
  return source;
}

/** Root of a user namespace has no rights on what the host's root owns: then only what all may open is of use. */
function deviceOf(text: string, { userns, privileged }: RunOptions): string {
  const [source = ""] = text.split(":");
  const stat = statSync(source, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `--device "${text}": "${source}" is not there`);
  if (!stat.isCharacterDevice() && !stat.isBlockDevice()) throw invalid(`--device "${text}": "${source}" is no device`);
  if (userns !== "host" && !privileged && (stat.mode & 0o006) !== 0o006)
    throw invalid(
      `--device "${text}": only its owner outside may open it, and nobody in a user namespace of its own is that`,
      "add --userns host, or change the mode of the node",
    );
  return text;
}

function seccompText(securityOpt: readonly string[]): string | undefined {
  const file = securityOpt.findLast((text) => /^seccomp[=:]/.test(text))?.slice("seccomp=".length);
  if (file === undefined || file === "unconfined" || file === "builtin") return undefined;
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `--security-opt seccomp=${file}: ${(error as NodeJS.ErrnoException).code}`, {
      hint: "the file of a profile, unconfined, or builtin",
    });
  }
}

/** It may be read again, from elsewhere. */
function absoluteProfile(text: string): string {
  const [, file] = /^seccomp[=:](.*)$/.exec(text) ?? [];
  return file === undefined || file === "unconfined" || file === "builtin" ? text : `seccomp=${resolve(file)}`;
}

function newFile(path: string, what: string): string {
  const file = resolve(path);
  if (path === "") throw invalid(`${what}: an empty path`);
  if (lstatSync(file, { throwIfNoEntry: false }))
    throw new VitrineError("CONFLICT", `${what} "${path}": is there already`, { hint: "remove it first" });
  return file;
}

/** Cheaply: src/spec/mount.ts reads them as a whole, and refuses what is wrong. */
function volumeNames({ volumes, mounts }: RunOptions): string[] {
  const byMount = mounts.filter((text) => /(^|,)type=volume(,|$)/.test(text) || !/(^|,)type=/.test(text));
  const sources = byMount.map((text) => /(?:^|,)(?:source|src)=([^,]+)/.exec(text)?.[1]);
  return [...volumes.filter((text) => !/^[./]/.test(text)).map((text) => text.split(":")[0]), ...sources].filter(
    (name): name is string => name !== undefined && name !== "",
  );
}

function absoluteVolume(text: string): string {
  const [source = "", ...rest] = text.split(":");
  return rest.length > 0 && /^[./]/.test(source) ? [sourceOf(source, `--volume "${text}"`), ...rest].join(":") : text;
}

function absoluteMount(text: string): string {
  if (!/(^|,)type=bind(,|$)/.test(text)) return text;
  return text.replace(
    /(?<=^|,)(source|src)=([^,]*)/,
    (_, key: string, path: string) =>
      `${key}=${/(^|,)bind-create(-src)?(,|=true|=1|$)/.test(text) ? resolve(path) : sourceOf(path, `--mount "${text}"`)}`,
  );
}
