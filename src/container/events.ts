/**
 * Events of this host: records that every command, and every container's stage, appends to one file (src/plan/events.ts). When that is
 * large it gets a number, and a new one is begun; the last of them is kept besides.
 */
import {
  closeSync,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writevSync,
} from "node:fs";
import { basename, dirname } from "node:path";
import { EVENT_HEAD, EVENT_MARK, eventHead, eventText } from "../plan/events.ts";
import { eventsFile, type Paths } from "./paths.ts";

export interface Event {
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Nanoseconds since 1970. */
  readonly time: bigint;
}

/** Bytes of a file. */
const MOST = 2 ** 20;
/** No event is longer. */
const LONGEST = 2 ** 18;

/** Nothing fails if it cannot be told. */
export function emit(
  paths: Paths,
  type: string,
  action: string,
  id: string,
  attributes: Readonly<Record<string, string>>,
): void {
  const body = new TextEncoder().encode(eventText(type, action, id, attributes));
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  const time = Buffer.alloc(16);
  time.writeBigUInt64LE(now / 1_000_000_000n, 0);
  time.writeBigUInt64LE(now % 1_000_000_000n, 8);
  try {
    const handle = openSync(eventsFile(paths), "a", 0o600);
    try {
      writevSync(handle, [eventHead(body.length).bytes, time, body]);
    } finally {
      closeSync(handle);
    }
  } catch {
    // A full file system, or a place of which nobody knows yet.
  }
}

/** So that there is room. Two commands may do it at once; what is written meanwhile is in one of the files. */
export function limitEvents(paths: Paths): void {
  const file = eventsFile(paths);
  try {
    const { size, ino } = statSync(file);
    if (size < MOST) return;
    const older = numbered(paths);
    const last = older.at(-1);
    if (last !== undefined && statSync(`${file}.${last}`).ino === ino) return; // another command is at it
    linkSync(file, `${file}.${(last ?? 0) + 1}`); // one of them can
    unlinkSync(file);
    for (const number of older) rmSync(`${file}.${number}`, { force: true });
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (!["ENOENT", "EEXIST", "ENOSPC"].includes(code)) throw error;
  }
}

/** Of those that have one, in order. */
function numbered(paths: Paths): number[] {
  const file = eventsFile(paths);
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(`${basename(file)}.`))
    .map((name) => Number(name.slice(basename(file).length + 1)))
    .filter(Number.isInteger)
    .sort((a, b) => a - b);
}

/** All that is kept, oldest first, and then what comes, each time it is asked. */
export class EventReader {
  readonly #paths: Paths;
  #fd = -1;
  #at = 0;

  constructor(paths: Paths) {
    this.#paths = paths;
  }

  /** From here on only what comes. */
  skip(): void {
    this.#open();
    if (this.#fd >= 0) this.#at = fstatSync(this.#fd).size;
  }

  *older(): Generator<Event> {
    for (const number of numbered(this.#paths)) {
      const handle = tryOpen(`${eventsFile(this.#paths)}.${number}`);
      if (handle < 0) continue;
      try {
        yield* read(handle, 0, () => {});
      } finally {
        closeSync(handle);
      }
    }
  }

  *newer(): Generator<Event> {
    for (;;) {
      this.#open();
      if (this.#fd < 0) return;
      yield* this.#rest();
      if (fstatSync(this.#fd).ino === inodeOf(eventsFile(this.#paths))) return;
      yield* this.#rest(); // what came before it got its number
      this.close();
      this.#at = 0;
    }
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  *#rest(): Generator<Event> {
    yield* read(this.#fd, this.#at, (at) => {
      this.#at = at;
    });
  }

  #open(): void {
    if (this.#fd < 0) this.#fd = tryOpen(eventsFile(this.#paths));
  }
}

function tryOpen(path: string): number {
  try {
    return openSync(path, "r");
  } catch {
    return -1;
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

const MARK = Buffer.from(EVENT_MARK);
const CHUNK = 2 ** 19;

/** Whole records from `from` on. What is damaged (a write that failed halfway) is passed over. */
function* read(handle: number, from: number, moved: (at: number) => void): Generator<Event> {
  const buffer = Buffer.alloc(CHUNK);
  for (let base = from; ; ) {
    const n = readSync(handle, buffer, 0, CHUNK, base);
    const seen = buffer.subarray(0, n);
    let at = 0;
    while (n - at >= EVENT_HEAD) {
      const length = seen.readUInt32LE(at + 8);
      const event =
        seen.compare(MARK, 0, 8, at, at + 8) === 0 && length <= LONGEST ? recordAt(seen, at, length) : undefined;
      if (event === "incomplete") break;
      if (event) {
        at += EVENT_HEAD + length;
        moved(base + at);
        yield event;
      } else {
        const next = seen.indexOf(MARK, at + 1);
        at = next < 0 ? n : next;
      }
    }
    base += at;
    moved(base);
    if (n < CHUNK) return;
  }
}

function recordAt(seen: Buffer, at: number, length: number): Event | "incomplete" | undefined {
  if (seen.length - at < EVENT_HEAD + length) {
    const cut = seen.indexOf(MARK, at + 1) >= 0; // another one has come behind it
    return cut ? undefined : "incomplete";
  }
  try {
    const text = seen.toString("utf8", at + EVENT_HEAD, at + EVENT_HEAD + length).replaceAll("\0", ""); // a name's place
    const { Type: type, Action: action, Actor: actor } = JSON.parse(text);
    const { exitCode, ...attributes } = actor.Attributes;
    const time = seen.readBigUInt64LE(at + 16) * 1_000_000_000n + seen.readBigUInt64LE(at + 24);
    const code = exitCode === undefined ? {} : { exitCode: exitCode.trim() };
    return { type, action, id: actor.ID, attributes: { ...attributes, ...code }, time };
  } catch {
    return undefined;
  }
}
