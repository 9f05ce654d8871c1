/** The files of a container's log, as the monitor writes them: stage/log.h. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { LOG_FILE } from "../plan/plan.ts";

export interface LogRecord {
  /** "lost": so many bytes could not be kept there; "damaged": something is missing, nobody knows what. */
  readonly kind: "output" | "error" | "lost" | "damaged";
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  /** Valid until the next record is asked for. */
  readonly bytes: Uint8Array;
  readonly lost: number;
}

const KINDS = [undefined, "output", "error", "lost"] as const;
const MAGIC = Buffer.from("vitrlog1");
const FILE_HEAD = 24;
const RECORD_HEAD = 24;
/** No monitor writes a longer record. */
const LONGEST = 2 ** 20;
const CHUNK = 2 ** 18;
const NOTHING = new Uint8Array(0);

/** A file of a log, read from its beginning; more may be read when more has come. */
export class LogFile {
  /** So many came before it. */
  readonly number: number;
  readonly #fd: number;
  readonly #mark: Buffer;
  #at = FILE_HEAD;

  /** @throws ENOENT, or ENODATA if it is no log or has no head yet */
  constructor(path: string) {
    this.#fd = openSync(path, "r");
    const head = Buffer.alloc(FILE_HEAD);
    if (readSync(this.#fd, head, 0, FILE_HEAD, 0) < FILE_HEAD || !startsWith(head, 0, MAGIC)) {
      closeSync(this.#fd);
      throw Object.assign(new Error(`${path}: not a log`), { code: "ENODATA" });
    }
    this.#mark = head.subarray(8, 16);
    this.number = Number(head.readBigUInt64LE(16));
  }

  close(): void {
    closeSync(this.#fd);
  }

  rewind(): void {
    this.#at = FILE_HEAD;
  }

  /** Whole records from where it is to the end of the file; after damage it goes on at the next mark. */
  *records(): Generator<LogRecord> {
    const mark = this.#mark;
    let buffer = Buffer.alloc(CHUNK);
    let damaged = false;
    for (let last = false; !last; ) {
      const n = readSync(this.#fd, buffer, 0, buffer.length, this.#at);
      last = n < buffer.length; // of what is there now
      const seen = buffer.subarray(0, n);
      let at = 0;
      for (;;) {
        const whole = wholeRecord(seen, at, mark, last);
        if (whole === "incomplete") break;
        if (whole === "damaged") {
          const next = seen.indexOf(mark, at + 1);
          damaged = true;
          at = next < 0 ? Math.max(at + 1, n - mark.length + 1) : next;
          if (next < 0) break;
          continue;
        }
        const time = seen.readBigUInt64LE(at + 8);
        if (damaged) yield { kind: "damaged", time, bytes: NOTHING, lost: 0 };
        damaged = false;
        const kind = KINDS[seen.readUInt32LE(at + 20)] ?? "damaged";
        const bytes = seen.subarray(at + RECORD_HEAD, at + whole);
        yield { kind, time, bytes, lost: kind === "lost" ? Number(bytes.readBigUInt64LE(0)) : 0 };
        at += whole;
      }
      this.#at += at;
      if (at === 0 && !last) buffer = Buffer.alloc(2 * buffer.length);
    }
  }
}

/** The length of a record with its head. What is damaged has been cut short, and something else came behind it. */
function wholeRecord(seen: Buffer, at: number, mark: Buffer, last: boolean): number | "incomplete" | "damaged" {
  const left = seen.length - at;
  if (left < RECORD_HEAD) return "incomplete";
  const length = seen.readUInt32LE(at + 16);
  const kind = KINDS[seen.readUInt32LE(at + 20)];
  const whole = RECORD_HEAD + length;
  if (!startsWith(seen, at, mark) || kind === undefined || length > LONGEST || (kind === "lost" && length !== 8))
    return "damaged";
  if (left < whole) return last && seen.indexOf(mark, at + 1) >= 0 ? "damaged" : "incomplete";
  if (left < whole + mark.length && !last) return "incomplete";
  const next = seen.subarray(at + whole, at + whole + mark.length);
  if (startsWith(mark, 0, next)) return whole; // the mark of the next one, as far as it is there
  const other = seen.indexOf(mark, at + 1);
  return other >= 0 && other < at + whole ? "damaged" : whole;
}

function startsWith(bytes: Buffer, at: number, beginning: Buffer): boolean {
  return bytes.compare(beginning, 0, beginning.length, at, at + beginning.length) === 0;
}

/** Oldest first. @param behind only those that came after this one */
export function openLogFiles(directory: string, behind = -1): LogFile[] {
  const found = new Map<number, LogFile>();
  for (const name of namesIn(directory)) {
    const file = open(`${directory}/${name}`);
    if (!file) continue;
    if (file.number <= behind || found.has(file.number))
      file.close(); // names move on when one is full
    else found.set(file.number, file);
  }
  return [...found.values()].sort((a, b) => a.number - b.number);
}

/** Newest first: one that moves on meanwhile is met again, and none is missed. */
function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.startsWith(LOG_FILE) && /^(\.\d+)?$/.test(name.slice(LOG_FILE.length)))
      .map((name) => ({ name, number: Number(name.slice(LOG_FILE.length + 1)) }))
      .sort((a, b) => a.number - b.number)
      .map(({ name }) => name);
  } catch {
    return []; // the container has gone
  }
}

function open(path: string): LogFile | undefined {
  try {
    return new LogFile(path);
  } catch {
    return undefined; // its name has just moved on
  }
}
