/**
 * Plans that were made once: planners are pure, so the same request gives the same plan but for the run's identity.
 * A template is an encoded plan for the stand-in identity, with the places where a real one is stamped in.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { ipBytes } from "../linux/ip.ts";
import { HEADER_SIZE, PAGE } from "../stage/layout.ts";
import { hostDevice, STAND_IN_DEVICES } from "./devicename.ts";
import { shortHash } from "./hash.ts";
import {
  ADDRESS_WIDTH,
  type Identity,
  LONGEST_NAME,
  processSuffix,
  STAND_IN,
  STAND_IN_ADDRESSES,
  STAND_IN_LINK,
} from "./identity.ts";
import { ownersPid, STAND_IN_OWNER } from "./owner.ts";
import type { Paths } from "./paths.ts";

export interface Template {
  /** Everything that the plan depends on but the identity. */
  readonly key: string;
  /** JSON of the record behind the plan, with the stand-in in it. */
  readonly record: string;
  /** Offset and kind of each place. */
  readonly places: readonly number[];
  readonly plan: Uint8Array;
}

const ID = 0;
const SHORT_ID = 1;
const SUFFIX = 2;
const NAME = 3;
const RANGE_TEXT = 4;
const RANGE = 5;
const PREFIX = 6;
const OWNER = 7;
const OWNER_PID = 8;
const LINK = 9;
const DEVICE_VE = 10;
const DEVICE_VB = 11;
/** And the number of the network. */
const ADDRESS_TEXT = 16;
const ADDRESS = 32;

/** Docker shows, and uses as host name, so much of an id. */
export const SHORT_ID_LENGTH = 12;
/** An expectation compares so much of one: eight bytes. */
const ID_PREFIX = 8;
/** As many are kept; the oldest go. */
const MOST_TEMPLATES = 64;

/** @param plan encoded for STAND_IN */
export function makeTemplate(key: string, record: string, plan: Uint8Array): Template {
  const bytes = Buffer.from(plan.buffer, plan.byteOffset, plan.byteLength);
  const places: number[] = [];
  const find = (text: string | Uint8Array, kind: (at: number) => number) => {
    for (let at = bytes.indexOf(text, HEADER_SIZE); at >= 0; at = bytes.indexOf(text, at + text.length))
      places.push(at, kind(at));
  };
  const short = STAND_IN.id.slice(0, SHORT_ID_LENGTH);
  const starts = (at: number, text: string) => bytes.subarray(at, at + text.length).equals(Buffer.from(text));
  find(STAND_IN.id.slice(0, ID_PREFIX), (at) => (starts(at, STAND_IN.id) ? ID : starts(at, short) ? SHORT_ID : PREFIX));
  find(processSuffix(STAND_IN.pid, STAND_IN.start), () => SUFFIX);
  find(STAND_IN.name, () => NAME);
  find(STAND_IN_OWNER, () => OWNER);
  const pid = Buffer.alloc(8);
  pid.writeBigUInt64LE(BigInt(ownersPid(STAND_IN_OWNER)));
  find(pid, () => OWNER_PID);
  find(`0 ${STAND_IN.rangeStart} 65536\n`, () => RANGE_TEXT);
  const range = Buffer.alloc(4);
  range.writeUInt32LE(STAND_IN.rangeStart);
  find(range, () => RANGE);
  find(STAND_IN_LINK, () => LINK);
  find(STAND_IN_DEVICES.ve, () => DEVICE_VE);
  find(STAND_IN_DEVICES.vb, () => DEVICE_VB);
  for (const [i, address] of STAND_IN_ADDRESSES.entries()) {
    find(address, () => ADDRESS_TEXT + i);
    find(Buffer.from(ipBytes(address)), () => ADDRESS + i);
  }
  return { key, record, places, plan };
}

/** The plan file of one run. */
export function stamp({ plan, places, record }: Template, identity: Identity, more: object): Uint8Array {
  const text = `{"identity":${JSON.stringify(identity)},${JSON.stringify(more).slice(1, -1)},${stampText(record, identity).slice(1)}`;
  const trailer = new TextEncoder().encode(text);
  const at = Math.ceil(plan.length / PAGE) * PAGE;
  const file = Buffer.alloc(at + trailer.length);
  file.set(plan);
  file.set(trailer, at);
  const suffix = processSuffix(identity.pid, identity.start);
  for (let i = 0; i < places.length; i += 2)
    stampPlace(file, places[i] as number, places[i + 1] as number, identity, suffix);
  return file;
}

function stampPlace(file: Buffer, at: number, kind: number, identity: Identity, suffix: string): void {
  if (kind === ID) file.write(identity.id, at, "latin1");
  else if (kind === SHORT_ID) file.write(identity.id, at, SHORT_ID_LENGTH, "latin1");
  else if (kind === PREFIX) file.write(identity.id, at, ID_PREFIX, "latin1");
  else if (kind === SUFFIX) file.write(suffix, at, "latin1");
  else if (kind === NAME)
    file.write(identity.name.padEnd(LONGEST_NAME, "\0"), at, "latin1"); // a C string may end early
  else if (kind === OWNER) file.write(identity.owner ?? "", at, "latin1");
  else if (kind === OWNER_PID) file.writeBigUInt64LE(BigInt(ownersPid(identity.owner ?? "0")), at);
  else if (kind === RANGE_TEXT) file.write(String(identity.rangeStart), at + 2, "latin1");
  else if (kind === RANGE) file.writeUInt32LE(identity.rangeStart, at);
  else if (kind === LINK) file.write(identity.link ?? "", at, "latin1");
  else if (kind === DEVICE_VE || kind === DEVICE_VB) {
    const name = hostDevice(kind === DEVICE_VE ? "ve" : "vb", identity.name);
    file.write(name.padEnd(STAND_IN_DEVICES.ve.length, "\0"), at, "latin1");
  } else if (kind >= ADDRESS) file.set(ipBytes(identity.addresses?.[kind - ADDRESS] ?? ""), at);
  else if (kind >= ADDRESS_TEXT) {
    const text = identity.addresses?.[kind - ADDRESS_TEXT] ?? "";
    // The end of a path, or a column of a file.
    const filler = file[at + ADDRESS_WIDTH] === 0 ? "\0" : " ";
    file.write(text.padEnd(ADDRESS_WIDTH, filler), at, "latin1");
  }
}

export function stampText(text: string, identity: Identity): string {
  const result = stampSelf(text, identity);
  const { addresses = [], link = "" } = identity;
  if (addresses.length === 0) return result;
  return addresses
    .reduce((so, address, i) => {
      const there = STAND_IN_ADDRESSES[i] ?? "";
      return so.replaceAll(`${there}\\t`, `${address.padEnd(ADDRESS_WIDTH)}\\t`).replaceAll(there, address);
    }, result)
    .replaceAll(STAND_IN_LINK, link)
    .replaceAll(STAND_IN_DEVICES.ve, () => hostDevice("ve", identity.name))
    .replaceAll(STAND_IN_DEVICES.vb, () => hostDevice("vb", identity.name));
}

function stampSelf(text: string, identity: Identity): string {
  return text
    .replaceAll(STAND_IN.id, identity.id)
    .replaceAll(STAND_IN.id.slice(0, SHORT_ID_LENGTH), identity.id.slice(0, SHORT_ID_LENGTH))
    .replaceAll(processSuffix(STAND_IN.pid, STAND_IN.start), processSuffix(identity.pid, identity.start))
    .replaceAll(STAND_IN.name, identity.name)
    .replaceAll(STAND_IN_OWNER, identity.owner ?? "")
    .replaceAll(String(STAND_IN.rangeStart), String(identity.rangeStart));
}

export const templatesDirectory = (paths: Paths) => `${paths.state}/templates`;

export function readTemplate(paths: Paths, key: string): Template | undefined {
  try {
    const file = readFileSync(`${templatesDirectory(paths)}/${shortHash(key)}`);
    const head = file.readUInt32LE(0);
    const { places, record, key: theirs } = JSON.parse(file.toString("utf8", 4, 4 + head));
    return theirs === key ? { key, places, record, plan: file.subarray(4 + head) } : undefined;
  } catch {
    return undefined; // not there, or not whole: it is made again
  }
}

/** Kept if it can be: another command may drop all templates at any moment, and the next run makes this one again. */
export function writeTemplate(paths: Paths, { key, places, record, plan }: Template): void {
  const directory = templatesDirectory(paths);
  const head = Buffer.from(JSON.stringify({ key, places, record }));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(head.length);
  const file = `${directory}/${shortHash(key)}`;
  const half = `${file}.${process.pid}`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    dropOldest(directory);
    writeFileSync(half, Buffer.concat([length, head, plan]), { mode: 0o600 });
    renameSync(half, file);
  } catch (error) {
    rmSync(half, { force: true });
    if (!["ENOENT", "ENOSPC", "EDQUOT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

export function dropTemplates(paths: Paths): void {
  rmSync(templatesDirectory(paths), { recursive: true, force: true });
}

export function dropOldest(directory: string): void {
  const files = readdirSync(directory).map((name) => `${directory}/${name}`);
  if (files.length < MOST_TEMPLATES) return;
  const byAge = files
    .map((file) => [statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0, file] as const)
    .sort((a, b) => a[0] - b[0]);
  for (const [, file] of byAge.slice(0, files.length - MOST_TEMPLATES / 2)) rmSync(file, { force: true });
}
