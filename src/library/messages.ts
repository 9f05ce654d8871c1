/** What the command says to the library, taken out of its standard error: see src/container/owner.ts. */
import { randomBytes } from "node:crypto";
import type { Told } from "./errors.ts";

export interface Message {
  readonly started?: string;
  readonly warning?: string;
  readonly outOfMemory?: readonly string[];
  readonly error?: Told;
}

/** Of this process; PID.TOKEN. */
export const OWNER = `${String(process.pid).padStart(10, "0")}.${randomBytes(8).toString("hex")}`;

const MARK = Buffer.from(`\x1e${OWNER}`);
const END = 10;

/** Splits a stream into what is the container's and what is ours. A mark may lie across two chunks. */
export class Splitter {
  #rest: Buffer = Buffer.alloc(0);
  readonly #take: (message: Message) => void;

  constructor(take: (message: Message) => void) {
    this.#take = take;
  }

  /** Returns the container's bytes. */
  push(chunk: Buffer): Buffer {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const theirs: Buffer[] = [];
    for (;;) {
      const at = bytes.indexOf(MARK);
      if (at < 0) break;
      const end = bytes.indexOf(END, at + MARK.length);
      theirs.push(bytes.subarray(0, at));
      bytes = bytes.subarray(at);
      if (end < 0) {
        this.#rest = bytes;
        return Buffer.concat(theirs);
      }
      this.#take(JSON.parse(bytes.toString("utf8", MARK.length, end - at)));
      bytes = bytes.subarray(end - at + 1);
    }
    const begun = beginning(bytes);
    this.#rest = bytes.subarray(bytes.length - begun);
    theirs.push(bytes.subarray(0, bytes.length - begun));
    return theirs.length === 1 ? (theirs[0] as Buffer) : Buffer.concat(theirs);
  }

  /** What was kept back. */
  end(): Buffer {
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    return rest;
  }
}

/** How many of the last bytes may be the beginning of a mark. */
function beginning(bytes: Buffer): number {
  const at = bytes.lastIndexOf(MARK[0] as number);
  const length = bytes.length - at;
  return at >= 0 && length < MARK.length && MARK.subarray(0, length).equals(bytes.subarray(at)) ? length : 0;
}
