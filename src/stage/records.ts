/**
 * Trees of files as the stage reads and writes them: a stream of records. The format is told in stage/stream.h. Paths are strings
 * of bytes (latin1): what a file's name means is nobody's business here.
 */
import { Buffer } from "node:buffer";

export const RECORD = {
  directory: 1,
  file: 2,
  symlink: 3,
  link: 4,
  node: 5,
  attribute: 6,
  times: 7,
  data: 8,
  hole: 9,
  end: 10,
} as const;
export type RecordKind = keyof typeof RECORD;
const KINDS = Object.keys(RECORD) as RecordKind[];

/** What has this name stays. */
export const KEEP = 1;
/** If it is no directory, nothing is done. */
export const ONLY_DIRECTORY = 2;
/** Nothing else takes a directory's place (EISDIR), and a directory nothing else's (ENOTDIR). */
export const ALIKE = 4;

/** Of a path, with the NUL behind it; and of an extended attribute's value (the kernel's XATTR_SIZE_MAX). */
export const LONGEST_PATH = 4095;
export const LARGEST_ATTRIBUTE = 65536;

const HEAD = 56;
const ROOM = 256 * 1024;
/** Smaller pieces of data are gathered, larger ones go out as they are. */
const WORTH_COPYING = 64 * 1024;

export interface RecordHead {
  readonly kind: RecordKind;
  readonly flags?: number;
  /** Relative to the directory; of the directory itself: "". */
  readonly path: string;
  /** A link's target, or an attribute's name. */
  readonly more?: string;
  /** Type and permissions, as stat(2) has them. */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** Since 1970. */
  readonly seconds?: number;
  readonly nanoseconds?: number;
  readonly bytes?: number;
  /** As mknod(2) takes it. */
  readonly device?: number;
}

/** Writes records; what they are written to says when a piece has gone. */
export class RecordWriter {
  readonly #write: (chunk: Uint8Array) => Promise<void>;
  #buffer: Buffer = Buffer.allocUnsafeSlow(ROOM);
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(ROOM);
  #used = 0;
  #going: Promise<void> = Promise.resolve();

  constructor(write: (chunk: Uint8Array) => Promise<void>) {
    this.#write = write;
  }

  /** A promise if the reader has to catch up first. */
  record(r: RecordHead, value?: Uint8Array): Promise<void> | undefined {
    const size = HEAD + r.path.length + 1 + (r.more?.length ?? 0) + 1 + (value?.length ?? 0);
    if (this.#used + size > ROOM) return this.flush().then(() => this.record(r, value));
    const b = this.#buffer;
    const at = this.#used;
    b.writeUInt32LE(size, at);
    b.writeUInt32LE(RECORD[r.kind] | ((r.flags ?? 0) << 8), at + 4);
    b.writeUInt32LE(r.mode ?? 0, at + 8);
    b.writeUInt32LE(r.uid ?? 0, at + 12);
    b.writeUInt32LE(r.gid ?? 0, at + 16);
    b.writeUInt32LE(r.nanoseconds ?? 0, at + 20);
    writeInteger(b, at + 24, r.seconds ?? 0);
    writeInteger(b, at + 32, value ? value.length : (r.bytes ?? 0));
    b.writeUInt32LE(r.device ?? 0, at + 40);
    b.fill(0, at + 44, at + HEAD);
    let end = at + HEAD;
    end += b.write(r.path, end, "latin1");
    b[end++] = 0;
    if (r.more) end += b.write(r.more, end, "latin1");
    b[end++] = 0;
    if (value) b.set(value, end);
    this.#used = at + size;
    return undefined;
  }

  /** The data of the file that was begun last. */
  data(chunk: Uint8Array): Promise<void> | undefined {
    if (chunk.length === 0) return undefined;
    if (chunk.length >= WORTH_COPYING) return this.#large(chunk);
    if (this.#used + HEAD + 2 + chunk.length > ROOM) return this.flush().then(() => this.data(chunk));
    this.record({ kind: "data", path: "", bytes: chunk.length });
    this.#buffer.set(chunk, this.#used);
    this.#used += chunk.length;
    return undefined;
  }

  async #large(chunk: Uint8Array): Promise<void> {
    await this.record({ kind: "data", path: "", bytes: chunk.length });
    await this.flush();
    await this.#going;
    await this.#write(chunk);
  }

  /** Resolves when there is a buffer to go on with; `settled` when everything has gone. */
  async flush(): Promise<void> {
    if (this.#used === 0) return;
    const full = this.#buffer;
    const used = this.#used;
    await this.#going;
    this.#buffer = this.#spare ?? Buffer.allocUnsafeSlow(ROOM);
    this.#spare = undefined;
    this.#used = 0;
    this.#going = this.#write(full.subarray(0, used)).then(() => {
      this.#spare = full;
    });
    this.#going.catch(() => {}); // told by the next one that waits for it
  }

  async settled(): Promise<void> {
    await this.flush();
    await this.#going;
  }
}

function writeInteger(b: Buffer, at: number, value: number): void {
  const low = value % 0x100000000;
  b.writeUInt32LE(low < 0 ? low + 0x100000000 : low, at);
  b.writeInt32LE(Math.floor(value / 0x100000000), at + 4);
}

export interface ReadRecord {
  readonly kind: RecordKind;
  readonly path: string;
  readonly more: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  readonly bytes: number;
  readonly device: number;
  /** How many names it has. */
  readonly links: number;
  readonly inode: bigint;
  /** An attribute's value, or a piece of data: only until the next record is asked for. */
  readonly value: Uint8Array;
}

/** Records as they come, in order; data in pieces as they come. Ends with the one of kind "end". @throws Error if they end before */
export async function* readRecords(stream: AsyncIterable<Uint8Array>): AsyncGenerator<ReadRecord> {
  let held: Buffer = Buffer.alloc(0);
  let left = 0;
  for await (const chunk of stream) {
    const piece = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    held = held.length === 0 ? piece : Buffer.concat([held, piece]);
    let at = 0;
    for (;;) {
      if (left > 0) {
        const value = held.subarray(at, at + left);
        if (value.length === 0) break;
        left -= value.length;
        at += value.length;
        yield { ...DATA, bytes: value.length, value };
        continue;
      }
      const size = held.length - at < HEAD ? HEAD : held.readUInt32LE(at);
      if (held.length - at < size) break;
      const record = parseRecord(held, at, size);
      at += size;
      if (record.kind === "data") left = record.bytes;
      else yield record;
      if (record.kind === "end") return;
    }
    held = held.subarray(at);
  }
  // As a write would say: the stage itself tells why.
  throw Object.assign(new Error("the records of the stage ended too early"), { code: "EPIPE" });
}

const NOTHING = new Uint8Array(0);

const DATA: Omit<ReadRecord, "bytes" | "value"> = {
  kind: "data",
  ...{ path: "", more: "", mode: 0, uid: 0, gid: 0, seconds: 0, nanoseconds: 0, device: 0, links: 0, inode: 0n },
};

function parseRecord(held: Buffer, at: number, size: number): ReadRecord {
  const kind = KINDS[held.readUInt8(at + 4) - 1];
  const end = at + size;
  const pathEnd = held.indexOf(0, at + HEAD);
  const moreEnd = held.indexOf(0, pathEnd + 1);
  if (!kind || size < HEAD + 2 || pathEnd < 0 || moreEnd < 0 || moreEnd >= end)
    throw new Error("a record of the stage that makes no sense");
  return {
    kind,
    path: held.toString("latin1", at + HEAD, pathEnd),
    more: held.toString("latin1", pathEnd + 1, moreEnd),
    mode: held.readUInt32LE(at + 8),
    uid: held.readUInt32LE(at + 12),
    gid: held.readUInt32LE(at + 16),
    nanoseconds: held.readUInt32LE(at + 20),
    seconds: Number(held.readBigInt64LE(at + 24)),
    bytes: Number(held.readBigUInt64LE(at + 32)),
    device: held.readUInt32LE(at + 40),
    links: held.readUInt32LE(at + 44),
    inode: held.readBigUInt64LE(at + 48),
    value: kind === "attribute" ? held.subarray(moreEnd + 1, end) : NOTHING,
  };
}
