/** Tar archives as dpkg-deb(1) makes them: the v7, ustar and GNU headers, with GNU's long names; nothing else is allowed there. */
import { invalid } from "../../errors.ts";

export type TarType = "file" | "hardlink" | "symlink" | "character" | "block" | "directory" | "fifo";

export interface TarHeader {
  /** As it stands there: "./usr/bin/apt". */
  readonly name: string;
  readonly type: TarType;
  /** Of links. */
  readonly target: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes that follow. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly major: number;
  readonly minor: number;
  /** The block that it was read from. */
  readonly block?: Buffer;
}

const BLOCK = 512;
/** Room for a name in a header. */
const NAME = 100;
const TYPES: Readonly<Record<string, TarType>> = {
  "0": "file",
  "\0": "file",
  "7": "file",
  "1": "hardlink",
  "2": "symlink",
  "3": "character",
  "4": "block",
  "5": "directory",
  "6": "fifo",
};
const LETTERS: Readonly<Record<TarType, string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  character: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};
/** Of names: the kernel's own bound, with room. */
const LONGEST = 2 ** 16;

export class TarReader {
  readonly #from: AsyncIterator<Uint8Array>;
  readonly #what: string;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  /** What comes now are the empty blocks at an archive's end. */
  #ended = false;

  /** @param what is named in errors */
  constructor(from: AsyncIterable<Uint8Array>, what: string) {
    this.#from = from[Symbol.asyncIterator]();
    this.#what = what;
  }

  /**
   * The next header, or undefined at an archive's end; behind that, the first one of the next archive. The bytes of the entry
   * before have to have been taken.
   */
  async next(): Promise<TarHeader | undefined> {
    let name: string | undefined;
    let target: string | undefined;
    for (;;) {
      const block = await this.#take(BLOCK);
      if (!block) return undefined;
      if (block[0] === 0) {
        // Nothing has no name but the blocks that end an archive.
        if (this.#ended) continue;
        this.#ended = true;
        return undefined;
      }
      this.#ended = false;
      const header = this.#parse(block);
      if (typeof header !== "string") return { ...header, name: name ?? header.name, target: target ?? header.target };
      const size = numberAt(block, 124, 12);
      if (size > LONGEST) throw this.#damaged(`a name of ${size} bytes`);
      const text = textAt(await this.all(size), 0, size);
      if (header === "L") name = text;
      else target = text;
    }
  }

  /** The bytes of an entry, and what fills its last block. */
  async *body(size: number): AsyncGenerator<Uint8Array> {
    const end = Math.ceil(size / BLOCK) * BLOCK;
    for (let done = 0; done < end; ) {
      if (this.#at === this.#chunk.length && !(await this.#more())) throw this.#damaged("it ends within a file");
      const part = this.#chunk.subarray(this.#at, this.#at + end - done);
      this.#at += part.length;
      if (done < size) yield part.subarray(0, size - done);
      done += part.length;
    }
  }

  async all(size: number): Promise<Buffer> {
    const parts: Uint8Array[] = [];
    for await (const part of this.body(size)) parts.push(part);
    return Buffer.concat(parts);
  }

  /** A letter for GNU's records that hold a long name ("L") or target ("K"). */
  #parse(block: Buffer): TarHeader | "L" | "K" {
    // Its sum is not looked at: the whole package has one that cannot be forged, and was held against it.
    const letter = String.fromCharCode(block[156] ?? 0);
    if (letter === "L" || letter === "K") return letter;
    const type = TYPES[letter];
    if (!type) throw this.#damaged(`an entry of the type "${letter}", which packages do not have`);
    const ustar = block.toString("latin1", 257, 263) === "ustar\0";
    const prefix = ustar ? textAt(block, 345, 155) : "";
    const name = textAt(block, 0, 100);
    const size = numberAt(block, 124, 12);
    return {
      name: prefix === "" ? name : `${prefix}/${name}`,
      type,
      target: textAt(block, 157, 100),
      mode: numberAt(block, 100, 8) & 0o7777,
      uid: numberAt(block, 108, 8),
      gid: numberAt(block, 116, 8),
      size: type === "file" ? size : 0,
      mtime: numberAt(block, 136, 12),
      major: numberAt(block, 329, 8),
      minor: numberAt(block, 337, 8),
      block,
    };
  }

  async #take(size: number): Promise<Buffer | undefined> {
    if (this.#chunk.length - this.#at >= size) {
      this.#at += size;
      return this.#chunk.subarray(this.#at - size, this.#at);
    }
    while (this.#chunk.length - this.#at < size) {
      if (await this.#more()) continue;
      if (this.#chunk.length === this.#at) return undefined;
      throw this.#damaged("it ends within a header");
    }
    this.#at += size;
    return this.#chunk.subarray(this.#at - size, this.#at);
  }

  async #more(): Promise<boolean> {
    const { done, value } = await this.#from.next();
    if (done) return false;
    const rest = this.#chunk.subarray(this.#at);
    const more = Buffer.from(value.buffer, value.byteOffset, value.length);
    this.#chunk = rest.length === 0 ? more : Buffer.concat([rest, more]);
    this.#at = 0;
    return true;
  }

  /** To the end of what is read from, where a bad end is told of. */
  async finish(): Promise<void> {
    while (!(await this.#from.next()).done);
  }

  #damaged(why: string): Error {
    return invalid(`${this.#what}: is damaged: ${why}`);
  }
}

function textAt(block: Buffer, at: number, size: number): string {
  const end = block.indexOf(0, at);
  return block.toString("utf8", at, end < 0 || end > at + size ? at + size : end);
}

/** Octal digits, or GNU's big-endian number with the highest bit set. */
function numberAt(block: Buffer, at: number, size: number): number {
  if ((block[at] ?? 0) & 0x80) {
    let value = (block[at] ?? 0) & 0x7f;
    for (let i = 1; i < size; i++) value = value * 256 + (block[at + i] ?? 0);
    return value;
  }
  const digits = textAt(block, at, size).trim();
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

/** The header's blocks; the entry's bytes and `padding` follow. */
export function headerBlocks(header: TarHeader): Uint8Array {
  const long: Uint8Array[] = [];
  for (const [letter, text] of [
    ["K", header.target],
    ["L", header.name],
  ] as const) {
    if (text.length < NAME / 3) continue; // in UTF-8 it fits
    const bytes = Buffer.from(`${text}\0`);
    if (bytes.length <= NAME) continue;
    const head = { mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 0 };
    long.push(newBlock(head, letter, "././@LongLink", ""), bytes, padding(bytes.length));
  }
  const block = header.block
    ? renamed(header.block, header.name, header.target)
    : newBlock(header, LETTERS[header.type], header.name, header.target);
  return long.length === 0 ? block : Buffer.concat([...long, block]);
}

export function padding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** Two empty blocks end an archive. */
export const END_OF_TAR = new Uint8Array(2 * BLOCK);

/** The same block, with another name and target: only these are summed up anew, which is most of the work otherwise. */
function renamed(block: Buffer, name: string, target: string): Buffer {
  const copy = Buffer.from(block);
  let sum = numberAt(block, 148, 8);
  const put = (at: number, size: number, text: string) => {
    for (let i = at; i < at + size && copy[i] !== 0; i++) sum -= copy[i] ?? 0;
    copy.fill(0, at, at + size);
    Buffer.from(text).copy(copy, at, 0, size - 1);
    for (let i = at; i < at + size && copy[i] !== 0; i++) sum += copy[i] ?? 0;
  };
  put(0, NAME, name);
  put(157, NAME, target);
  if (copy[345] !== 0 && block[263] !== 0x20) put(345, 155, ""); // ustar's prefix; GNU has other things there
  copy.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return copy;
}

function newBlock(
  header: Pick<TarHeader, "mode" | "uid" | "gid" | "size" | "mtime">,
  letter: string,
  name: string,
  target: string,
): Buffer {
  const block = Buffer.alloc(BLOCK);
  const number = (at: number, value: number, size: number) =>
    block.write(
      value
        .toString(8)
        .padStart(size - 1, "0")
        .slice(1 - size),
      at,
      size - 1,
      "latin1",
    );
  Buffer.from(name).copy(block, 0, 0, NAME - 1);
  number(100, header.mode, 8);
  number(108, header.uid, 8);
  number(116, header.gid, 8);
  number(124, header.size, 12);
  number(136, header.mtime, 12);
  block.write(`        ${letter}`, 148, 9, "latin1");
  Buffer.from(target).copy(block, 157, 0, NAME - 1);
  block.write("ustar  \0", 257, 8, "latin1");
  let sum = 0;
  for (let i = 0; i < 265; i++) sum += block[i] ?? 0;
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8, "latin1");
  return block;
}
