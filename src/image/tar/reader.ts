/** Reads a tar that nobody vouches for: v7, ustar, GNU and pax, with long names and sparse files. What is odd is an error that tells where. */
import type { Buffer } from "node:buffer";
import { invalid } from "../../errors.ts";
import { Bytes } from "./bytes.ts";
import { BLOCK, type Header, isZero, parseHeader } from "./header.ts";
import { LARGEST_EXTENDED, parsePax, parseTime, XATTR } from "./pax.ts";
import { checkSegments, mapOf, readMap, readOldMap, type Segment } from "./sparse.ts";

export type EntryType = "file" | "link" | "symlink" | "character" | "block" | "directory" | "fifo";

const TYPES: Readonly<Record<string, EntryType>> = {
  "0": "file",
  "1": "link",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
  "7": "file", // "contiguous"
  S: "file",
};

/** Strings are bytes as they are (latin1). */
export interface TarEntry {
  readonly type: EntryType;
  readonly path: string;
  readonly link: string;
  /** Permissions, with set-id and sticky bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Of a file, with its holes. */
  readonly size: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly major: number;
  readonly minor: number;
  /** Extended attributes, without the prefix. */
  readonly attributes: ReadonlyMap<string, string>;
  /** The parts that have data, if it is a sparse file. */
  readonly segments: readonly Segment[] | undefined;
  /** Bytes of the tar before its header. */
  readonly offset: number;
}

/** What extended headers say of an entry. */
type Extended = Map<string, string>;

const LARGEST_ID = 0xfffffffe;

export class TarReader {
  readonly #bytes: Bytes;
  readonly #global: Extended = new Map();
  /** Data of the entry, and padding behind it, that nobody has taken. */
  #left = 0;
  #padding = 0;
  #start = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#bytes = new Bytes(source);
  }

  /** The next entry; undefined at the end, when the source has been read to its end, too. @throws INVALID */
  async next(): Promise<TarEntry | undefined> {
    await this.#leave();
    this.#start = this.#bytes.offset;
    try {
      return await this.#entry();
    } catch (error) {
      if (typeof error === "string") throw invalid(`tar, at byte ${this.#start}: ${error}`);
      throw error;
    }
  }

  /** The next bytes of the entry's data as they come (of a sparse file without its holes); undefined at its end. Valid until the next call. */
  async read(most = Number.POSITIVE_INFINITY): Promise<Uint8Array | undefined> {
    if (this.#left === 0) return undefined;
    const piece = await this.#bytes.some(Math.min(most, this.#left));
    if (piece.length === 0) throw this.#cut();
    this.#left -= piece.length;
    return piece;
  }

  /** Ends the source. */
  close(): Promise<void> {
    return this.#bytes.end();
  }

  async #leave(): Promise<void> {
    const rest = this.#left + this.#padding;
    if (rest > 0 && (await this.#bytes.skip(rest)) < rest) throw this.#cut();
    this.#left = this.#padding = 0;
  }

  #cut() {
    return invalid(`tar, at byte ${this.#bytes.offset}: it ends in the middle of an entry`);
  }

  async #entry(): Promise<TarEntry | undefined> {
    const extended: Extended = new Map(this.#global);
    const sparse: string[] = [];
    let pending = false;
    for (;;) {
      const block = await this.#bytes.take(BLOCK);
      if (block.length === 0 && !pending) return undefined; // Go's readers take this for the end as well
      if (block.length < BLOCK) throw "it ends in the middle of a header";
      if (isZero(block)) {
        if (pending) throw "an extended header without an entry";
        return await this.#finish();
      }
      const header = parseHeader(block);
      if (header.size < 0) throw "the size is negative";
      if (!"xgLK".includes(header.flag)) return await this.#make(header, block, extended, sparse);
      pending = header.flag !== "g";
      await this.#extend(header, extended, sparse);
    }
  }

  async #extend(header: Header, extended: Extended, sparse: string[]): Promise<void> {
    if (header.size > LARGEST_EXTENDED) throw `an extended header of more than ${LARGEST_EXTENDED} bytes`;
    const padded = Math.ceil(header.size / BLOCK) * BLOCK;
    const bytes = await this.#bytes.take(padded);
    if (bytes.length < padded) throw "it ends in an extended header";
    const content = bytes.subarray(0, header.size);
    if (header.flag === "L" || header.flag === "K") {
      const nul = content.indexOf(0);
      extended.set(
        header.flag === "L" ? "path" : "linkpath",
        content.toString("latin1", 0, nul < 0 ? content.length : nul),
      );
      return;
    }
    for (const [key, value] of parsePax(content)) {
      if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") sparse.push(value);
      else if (value === "")
        extended.delete(key); // it takes a global one back
      else extended.set(key, value);
      if (header.flag !== "g") continue;
      if (value === "") this.#global.delete(key);
      else this.#global.set(key, value);
    }
  }

  async #make(
    header: Header,
    block: Buffer,
    extended: Extended,
    sparse: readonly string[],
  ): Promise<TarEntry | undefined> {
    const type = TYPES[header.flag];
    if (header.flag === "V") {
      this.#expect(header.size);
      return this.next();
    }
    if (!type) throw `an entry of a type that is not known: ${JSON.stringify(header.flag)}`;
    let stored = integer(extended, "size") ?? header.size;
    let size = stored;
    let segments: Segment[] | undefined;
    if (header.flag === "S") {
      const map = await readOldMap(block, this.#bytes);
      size = map.size;
      segments = map.segments;
    } else if (type === "file") {
      size = integer(extended, "GNU.sparse.realsize") ?? integer(extended, "GNU.sparse.size") ?? stored;
      const map = extended.get("GNU.sparse.map");
      if (extended.get("GNU.sparse.major") === "1" && extended.get("GNU.sparse.minor") === "0") {
        const read = await readMap(this.#bytes);
        if (read.length > stored) throw "the map of a sparse file does not fit its data";
        segments = read.segments;
        stored -= read.length;
      } else if (map !== undefined) segments = mapOf(map.split(","));
      else if (sparse.length > 0) segments = mapOf(sparse);
    }
    if (type !== "file") size = stored = 0; // as Go has it: a link's size is that of the file it leads to
    if (segments) segments = checkSegments(segments, size, stored);
    else if (size !== stored) throw "the size of a sparse file without a map";
    this.#expect(stored);
    const time = extended.get("mtime");
    const moment = time === undefined ? { seconds: header.seconds, nanoseconds: 0 } : parseTime(time);
    if (!moment) throw "the time of the extended header is no number";
    return {
      type,
      path: extended.get("GNU.sparse.name") ?? extended.get("path") ?? header.name,
      link: extended.get("linkpath") ?? header.link,
      mode: header.mode & 0o7777,
      uid: id(integer(extended, "uid") ?? header.uid),
      gid: id(integer(extended, "gid") ?? header.gid),
      size,
      ...moment,
      major: header.major,
      minor: header.minor,
      attributes: attributesOf(extended),
      segments,
      offset: this.#start,
    };
  }

  #expect(stored: number): void {
    this.#left = stored;
    this.#padding = Math.ceil(stored / BLOCK) * BLOCK - stored;
  }

  /** A second block of zeros, and whatever pads the archive. */
  async #finish(): Promise<undefined> {
    const second = await this.#bytes.take(BLOCK);
    if (second.length > 0 && !isZero(second)) throw "an entry behind the mark of the end";
    while ((await this.#bytes.some(BLOCK * BLOCK)).length > 0);
    return undefined;
  }
}

const NONE: ReadonlyMap<string, string> = new Map();

function attributesOf(extended: Extended): ReadonlyMap<string, string> {
  let found: Map<string, string> | undefined;
  for (const [key, value] of extended)
    if (key.startsWith(XATTR)) {
      found ??= new Map();
      found.set(key.slice(XATTR.length), value);
    }
  return found ?? NONE;
}

function integer(extended: Extended, key: string): number | undefined {
  const value = extended.get(key);
  if (value === undefined) return undefined;
  if (!/^[0-9]{1,15}$/.test(value)) throw `${key} of the extended header is no number`;
  return Number(value);
}

function id(value: number): number {
  if (value < 0 || value > LARGEST_ID) throw `${value} is no user or group id`;
  return value;
}
