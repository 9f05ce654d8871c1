/** Entries of a tar, always in the same form: ustar, with an extended header (pax) for what does not fit, and no names of users. */
import { Buffer } from "node:buffer";
import { BLOCK, checksum } from "./header.ts";
import { formatPax, XATTR } from "./pax.ts";
import type { EntryType } from "./reader.ts";

/** Strings are bytes as they are (latin1). */
export interface NewEntry {
  readonly type: EntryType;
  /** Of a directory without a slash at the end. */
  readonly path: string;
  readonly link?: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size?: number;
  readonly seconds: number;
  readonly nanoseconds?: number;
  readonly major?: number;
  readonly minor?: number;
  readonly attributes?: ReadonlyMap<string, string>;
}

const FLAG: Readonly<Record<EntryType, string>> = {
  file: "0",
  link: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** What octal digits and a NUL can say in 8 and in 12 bytes. */
const LARGEST_7 = 0o7777777;
const LARGEST_11 = 0o77777777777;

/** Header and, in front of it, the extended header if there has to be one. Data follows, and then padding(). */
export function formatEntry(entry: NewEntry): Buffer {
  const path = entry.type === "directory" ? `${entry.path}/` : entry.path;
  const { size = 0, nanoseconds = 0, seconds, uid, gid, link = "" } = entry;
  const extended: [string, string][] = [];
  const place = split(path);
  if (!place) extended.push(["path", path]);
  if (link.length > 100) extended.push(["linkpath", link]);
  if (size > LARGEST_11) extended.push(["size", String(size)]);
  if (uid > LARGEST_7) extended.push(["uid", String(uid)]);
  if (gid > LARGEST_7) extended.push(["gid", String(gid)]);
  if (nanoseconds > 0 || seconds < 0 || seconds > LARGEST_11) extended.push(["mtime", decimal(seconds, nanoseconds)]);
  for (const name of [...(entry.attributes?.keys() ?? [])].sort())
    extended.push([XATTR + name, entry.attributes?.get(name) ?? ""]);
  const [name, prefix] = place ?? [path.slice(0, 100), ""];
  const own = block({
    ...{ name, prefix, link: link.slice(0, 100), flag: FLAG[entry.type], mode: entry.mode & 0o7777 },
    uid: uid > LARGEST_7 ? 0 : uid,
    gid: gid > LARGEST_7 ? 0 : gid,
    size: size > LARGEST_11 ? 0 : size,
    seconds: seconds < 0 || seconds > LARGEST_11 ? 0 : seconds,
    device: entry.type === "character" || entry.type === "block" ? [entry.major ?? 0, entry.minor ?? 0] : [0, 0],
  });
  if (extended.length === 0) return own;
  const records = formatPax(extended);
  const head = block({
    ...{ name: "pax", prefix: "", link: "", flag: "x", mode: 0o644, uid: 0, gid: 0, size: records.length, seconds: 0 },
    device: [0, 0],
  });
  return Buffer.concat([head, records, padding(records.length), own]);
}

/** What follows `size` bytes of data. */
export function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The mark of the end. */
export function formatEnd(): Buffer {
  return Buffer.alloc(2 * BLOCK);
}

interface Fields {
  readonly name: string;
  readonly prefix: string;
  readonly link: string;
  readonly flag: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly device: readonly [number, number];
}

function block(fields: Fields): Buffer {
  const b = Buffer.alloc(BLOCK);
  b.write(fields.name, 0, "latin1");
  octal(b, 100, 8, fields.mode);
  octal(b, 108, 8, fields.uid);
  octal(b, 116, 8, fields.gid);
  octal(b, 124, 12, fields.size);
  octal(b, 136, 12, fields.seconds);
  b.write(fields.flag, 156, "latin1");
  b.write(fields.link, 157, "latin1");
  b.write("ustar\x0000", 257, "latin1");
  octal(b, 329, 8, fields.device[0]);
  octal(b, 337, 8, fields.device[1]);
  b.write(fields.prefix, 345, "latin1");
  b.write(`${checksum(b)[0].toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return b;
}

function octal(b: Buffer, at: number, width: number, value: number): void {
  b.write(value.toString(8).padStart(width - 1, "0"), at, "latin1");
}

/** Name and prefix, if the path can be split at a slash so that both fit. */
function split(path: string): [name: string, prefix: string] | undefined {
  if (path.length <= 100) return [path, ""];
  if (path.length > 256) return undefined;
  const slash = path.indexOf("/", path.length - 101);
  if (slash < 1 || slash > 155 || slash === path.length - 1) return undefined;
  return [path.slice(slash + 1), path.slice(0, slash)];
}

function decimal(seconds: number, nanoseconds: number): string {
  const [whole, part] = seconds < 0 && nanoseconds > 0 ? [seconds + 1, 1e9 - nanoseconds] : [seconds, nanoseconds];
  const sign = seconds < 0 && whole === 0 ? "-" : "";
  return part === 0 ? String(whole) : `${sign}${whole}.${String(part).padStart(9, "0").replace(/0+$/, "")}`;
}
