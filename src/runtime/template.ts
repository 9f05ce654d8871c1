/**
 * Plans of bundles that come again: encoded once with stand-ins, and kept with the places of all that differs from one run to the next. The
 * front stamps them (front/create.c, which reads the files written here) without starting the engine. See docs/decisions/0026-bundles-again.md.
 */
import { mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { shortHash } from "../container/hash.ts";
import { type Identity, processSuffix, STAND_IN } from "../container/identity.ts";
import type { Paths } from "../container/paths.ts";
import { dropOldest, templatesDirectory } from "../container/template.ts";
import { isTerminal } from "../container/terminal.ts";
import { heldCapabilities } from "../engine/held.ts";
import { hardLimits } from "../engine/limits.ts";
import { softFiles } from "../engine/softfiles.ts";
import { RLIMIT_TYPES } from "../plan/limits.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { HEADER_SIZE, readHead } from "../stage/layout.ts";

/** What a plan was made of, and for. */
export interface Planned {
  readonly file: Uint8Array;
  readonly bundle: string;
  readonly root: string;
}

/** Of the same length in every run. */
export const STAND_IN_CREATED = "9517-03-46T82:68:40.517Z";

/** One that no path and no config has in it, as long as the real one. Too short ones are found where they are not: then there is no template. */
export const standInId = (length: number) => "Z-.+q_.-K+".repeat(Math.ceil(length / 10)).slice(0, length);

const CONTAINER_ID = 0;
const RUN_ID = 1;
const SUFFIX = 2;
const CREATED = 3;
const PID = 4;
const START = 5;

/** An op compares so much of the run's id. */
const WORD = 8;
/** As many bundles are remembered as seen once. */
const SEEN = 16;

export interface Place {
  readonly at: number;
  readonly kind: number;
  /** The part of the value that stands there. */
  readonly from: number;
  readonly length: number;
}

/** @param file a plan and its record, made for STAND_IN, standInId and STAND_IN_CREATED */
export function findPlaces(file: Uint8Array, id: string): Place[] {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const places: Place[] = [];
  const taken = new Set<number>();
  const find = (text: string, kind: number, more: { from?: number; skip?: number; length?: number } = {}) => {
    const { from = 0, skip = 0, length = text.length - skip } = more;
    for (let at = bytes.indexOf(text, HEADER_SIZE); at >= 0; at = bytes.indexOf(text, at + text.length)) {
      if (taken.has(at + skip)) continue;
      for (let i = 0; i < length; i++) taken.add(at + skip + i);
      places.push({ at: at + skip, kind, from, length });
    }
  };
  find(STAND_IN.id, RUN_ID);
  find(STAND_IN.id.slice(0, WORD), RUN_ID);
  find(STAND_IN.id.slice(WORD, 2 * WORD), RUN_ID, { from: WORD });
  find(processSuffix(STAND_IN.pid, STAND_IN.start), SUFFIX);
  find(STAND_IN_CREATED, CREATED);
  find(`"pid":${STAND_IN.pid}`, PID, { skip: '"pid":'.length });
  find(`"start":"${STAND_IN.start}"`, START, { skip: '"start":"'.length }); // with the mark behind it
  find(id, CONTAINER_ID);
  return places;
}

/** What the front does; here to hold it against a plan that was made the long way. */
export function stamp(file: Uint8Array, places: readonly Place[], id: string, identity: Identity, created: string) {
  const stamped = Buffer.from(file);
  const values = [
    id,
    identity.id,
    processSuffix(identity.pid, identity.start),
    created,
    String(identity.pid).padStart(String(STAND_IN.pid).length),
    `${identity.start}"`.padEnd(STAND_IN.start.length + 1),
  ];
  for (const { at, kind, from, length } of places)
    stamped.write((values[kind] ?? "").slice(from, from + length), at, "latin1");
  return stamped;
}

/** Whether the stamped plan is that of the real run, byte for byte; the record behind it may have blanks in it. */
function isSame(stamped: Buffer, file: Uint8Array): boolean {
  const { trailer } = readHead(file);
  if (stamped.length < trailer || !stamped.subarray(0, trailer).equals(file.subarray(0, trailer))) return false;
  const record = (text: string) => {
    const { identity, ...rest } = JSON.parse(text);
    return JSON.stringify({ ...rest, identity: { ...identity, rangeStart: 0 } }); // no container of this runtime has it
  };
  return record(stamped.toString("utf8", trailer)) === record(Buffer.from(file.subarray(trailer)).toString("utf8"));
}

/** What the command was asked, in its words; the last is the container's id. */
export interface Asked {
  readonly words: readonly string[];
  readonly id: string;
  readonly config: string;
  /** The root as the config has it, absolute. */
  readonly root: string;
}

/** By this one the file is found. Names with a zero end each, as front/create.c has them. */
const whatIsAsked = ({ words, id }: Asked) =>
  [process.cwd(), String(id.length), ...words.slice(0, -1)].map((word) => `${word}\0`).join("");

/** What the plan depends on besides: the build, the boot, and what this process is. */
function whoAsks(): string {
  const variable = (name: string) => (process.env[name] === undefined ? "-" : `=${process.env[name]}`);
  const hard = hardLimits();
  return [
    BUILD,
    readlinkSync("/proc/self/exe"),
    readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim(),
    readlinkSync("/proc/self/ns/mnt"),
    isTerminal(0) ? "1" : "0",
    heldCapabilities().toString(16).padStart(16, "0"),
    ...RLIMIT_TYPES.map((type) => String(hard[type] ?? "")),
    String(softFiles() ?? "-"),
    variable("VITRINE_ROOT"),
    variable("VITRINE_STATE"),
  ]
    .map((word) => `${word}\0`)
    .join("");
}

const latin1 = (text: string) => Buffer.from(text).toString("latin1");

/** Where bundles that were seen are noted: a few files, so that callers who make each bundle once leave nothing that grows. */
function noteOf(paths: Paths, asked: Asked): { file: string; once: string; useless: string } {
  const hash = shortHash(latin1(whatIsAsked(asked)));
  const file = `${templatesDirectory(paths)}/seen.${Number.parseInt(hash.slice(-2), 16) % SEEN}`;
  return { file, once: `${hash} once\n${asked.config}`, useless: `${hash} useless\n${asked.config}` };
}

/** Whether the bundle was asked for in the same words before, with the same config: then a template pays. */
export function isSeen(paths: Paths, asked: Asked): boolean {
  const { file, once, useless } = noteOf(paths, asked);
  try {
    const text = readFileSync(file, "utf8");
    if (text === once) return true;
    if (text === useless) return false;
  } catch {
    mkdirSync(templatesDirectory(paths), { recursive: true, mode: 0o700 });
  }
  writeFileSync(file, once, { mode: 0o600 });
  return false;
}

/**
 * Keeps a template, if it gives just the plan that was made the long way; if not, it is not tried again.
 * @param stage path of the stage
 * @param plan for the stand-ins @param real for `identity`
 */
export function keepTemplate(
  paths: Paths,
  stage: string,
  asked: Asked,
  plan: Planned,
  real: { readonly file: Uint8Array; readonly identity: Identity; readonly created: string },
): boolean {
  const places = findPlaces(plan.file, standInId(asked.id.length));
  if (!isSame(stamp(plan.file, places, asked.id, real.identity, real.created), real.file)) {
    const { file, useless } = noteOf(paths, asked);
    writeFileSync(file, useless, { mode: 0o600 });
    return false;
  }
  const name = whatIsAsked(asked);
  const key = Buffer.from(name + whoAsks());
  const config = Buffer.from(asked.config);
  const roads = Buffer.from([plan.bundle, asked.root, plan.root, stage].map((path) => `${path}\0`).join(""));
  const words = places.flatMap(({ at, kind, from, length }) => [at, kind | (from << 8) | (length << 16)]);
  const numbers = Uint32Array.of(
    key.length,
    config.length,
    roads.length,
    places.length,
    plan.file.length,
    asked.id.length,
  );
  const bytes = (array: Uint32Array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  const file = `${templatesDirectory(paths)}/${shortHash(latin1(name))}`;
  dropOldest(templatesDirectory(paths));
  writeFileSync(
    `${file}.${process.pid}`,
    Buffer.concat([Buffer.from(MAGIC), bytes(numbers), bytes(Uint32Array.from(words)), key, config, roads, plan.file]),
    { mode: 0o600 },
  );
  renameSync(`${file}.${process.pid}`, file);
  return true;
}

/** See struct head in front/create.c. */
const MAGIC = "vittempl";
