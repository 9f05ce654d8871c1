/** `logs`: what a container has written, from the files that its monitor keeps, and (`follow`) what it goes on to write. */
import { type LogFile, type LogRecord, openLogFiles } from "../container/logfile.ts";
import { containerDirectory } from "../container/paths.ts";
import { watchPlan } from "../container/plans.ts";
import type { Run } from "../container/runs.ts";
import { readConfig } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import { LOG_DIRECTORY } from "../plan/monitor.ts";
import type { Config } from "../spec/config.ts";
import { LOG_DETAILS } from "../spec/logs.ts";
import { formatNanoseconds } from "../spec/pointintime.ts";
import { Changes } from "./changes.ts";
import type { Engine } from "./context.ts";
import { findRunning, isRunning } from "./running.ts";

export interface LogsOptions {
  readonly follow: boolean;
  /** Lines from the end; undefined: all. */
  readonly tail: number | undefined;
  readonly timestamps: boolean;
  readonly details: boolean;
  /** Nanoseconds since 1970. */
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
}

/** Where it goes: false if nobody reads any more. */
export type Write = (fd: 1 | 2, bytes: Uint8Array) => boolean;

/** @param tell is told what is missing @throws NOT_FOUND, UNSUPPORTED if nothing is kept of what it writes */
export async function printLogs(
  engine: Engine,
  nameOrId: string,
  options: LogsOptions,
  write: Write,
  tell: (text: string) => void,
): Promise<void> {
  const found = await findRunning(engine, nameOrId);
  const { id, name } = isRunning(found) ? found.container : found;
  const directory = `${containerDirectory(engine.paths, id)}/${LOG_DIRECTORY}`;
  if (isRunning(found) && !found.record.input.monitor)
    throw new VitrineError(
      "UNSUPPORTED",
      `container ${name} has the streams of the command that runs it: no log is kept`,
      {
        hint: "run it without --rm, with -d, or with --log-driver local",
      },
    );
  if (isRunning(found) && !found.record.input.monitor?.log)
    throw new VitrineError("UNSUPPORTED", `container ${name} was run with --log-driver none: no log is kept`);
  const details = options.details
    ? detailsOf(engine, id, isRunning(found) ? found.record.input.config : undefined)
    : "";
  const show = new Show(options, details, write, tell);
  const log = new Log(directory, tell);
  const end = options.follow && isRunning(found) ? await endOf(engine, found.run) : undefined;
  try {
    if (options.tail !== undefined) {
      show.skip(log.records(true), options.tail);
      log.rewind();
    }
    if (!show.all(log.records(false)) || !end) return;
    await follow(log, show, directory, end.over);
  } finally {
    end?.close();
    log.close();
  }
}

/** Until the container has ended or nobody reads any more. */
async function follow(log: Log, show: Show, directory: string, over: Promise<void>): Promise<void> {
  const changes = new Changes(directory); // before anything is read: what comes meanwhile is seen
  let ended = false;
  over.then(() => {
    ended = true;
    changes.wake();
  });
  try {
    for (let last = false; !last; ) {
      last = ended;
      if (!show.all(log.records(false)) || last) return;
      await changes.next();
    }
  } finally {
    changes.close();
  }
}

/** The kernel tells when the run has ended: whoever holds it has its plan locked, and a process of ours waits for that lock. */
function endOf(engine: Engine, run: Run): ReturnType<typeof watchPlan> {
  return watchPlan(engine.stage.path, engine.paths, run.directory);
}

/** One log, over all of its files. */
class Log {
  readonly #directory: string;
  readonly #tell: (text: string) => void;
  #files: LogFile[];

  constructor(directory: string, tell: (text: string) => void) {
    this.#directory = directory;
    this.#tell = tell;
    this.#files = openLogFiles(directory);
  }

  /** What has come since. @param again it is to be read once more: else files that were read and are full are let go */
  *records(again: boolean): Generator<LogRecord> {
    if (this.#files.length === 0) this.#files = openLogFiles(this.#directory);
    for (let i = 0; i < this.#files.length; i++) {
      const file = this.#files[i] as LogFile;
      yield* file.records();
      if (i === this.#files.length - 1) {
        const newer = openLogFiles(this.#directory, file.number);
        const [next] = newer;
        if (!next) return;
        yield* file.records(); // what came before it was full
        if (next.number > file.number + 1) this.#tell("some of the log was replaced before it could be read");
        this.#files.push(...newer);
      }
      if (again) continue;
      this.#files.shift()?.close();
      i--;
    }
  }

  rewind(): void {
    for (const file of this.#files) file.rewind();
  }

  close(): void {
    for (const file of this.#files) file.close();
    this.#files = [];
  }
}

const NEWLINE = 10;
/** Writes are put together up to so many bytes. */
const BATCH = 2 ** 16;

/** Records become what is written to standard output and error. */
class Show {
  readonly #options: LogsOptions;
  readonly #details: string;
  readonly #write: Write;
  readonly #tell: (text: string) => void;
  /** So many lines are not to be shown. */
  #skipped = 0;
  /** By stream: a line has begun, and is one that is shown. */
  readonly #begun = [false, false, false];
  readonly #shown = [true, true, true];
  readonly #batch: Uint8Array = Buffer.alloc(BATCH);
  #filled = 0;
  #stream: 1 | 2 = 1;
  #open = true;

  constructor(options: LogsOptions, details: string, write: Write, tell: (text: string) => void) {
    this.#options = options;
    this.#details = details === "" ? "" : `${details} `;
    this.#write = write;
    this.#tell = tell;
  }

  /** All but the last lines of these are not to be shown. */
  skip(records: Iterable<LogRecord>, tail: number): void {
    let lines = 0;
    const begun = [false, false, false];
    for (const record of records) {
      const stream = this.#streamOf(record);
      if (stream === undefined) continue;
      const { bytes } = record;
      for (let at = 0; at < bytes.length; ) {
        if (!begun[stream]) lines++;
        const end = bytes.indexOf(NEWLINE, at);
        begun[stream] = end < 0;
        at = end < 0 ? bytes.length : end + 1;
      }
    }
    this.#skipped = Math.max(0, lines - tail);
  }

  /** @returns false if nobody reads any more */
  all(records: Iterable<LogRecord>): boolean {
    for (const record of records) {
      if (record.kind === "lost" || record.kind === "damaged") this.#missing(record);
      const stream = this.#streamOf(record);
      if (stream !== undefined) this.#show(stream, record);
      if (!this.#open) return false;
    }
    this.#flush();
    return this.#open;
  }

  /** Undefined for what is not of the time that was asked for, and for notes. */
  #streamOf({ kind, time }: LogRecord): 1 | 2 | undefined {
    const { since, until } = this.#options;
    if ((since !== undefined && time < since) || (until !== undefined && time > until)) return undefined;
    return kind === "output" ? 1 : kind === "error" ? 2 : undefined;
  }

  #show(stream: 1 | 2, { time, bytes }: LogRecord): void {
    const { timestamps } = this.#options;
    const plain = !timestamps && this.#details === "";
    if (plain && this.#skipped === 0 && this.#shown[stream]) {
      this.#put(stream, bytes);
      return;
    }
    for (let at = 0; at < bytes.length; ) {
      if (!this.#begun[stream]) {
        this.#shown[stream] = this.#skipped === 0;
        if (this.#skipped > 0) this.#skipped--;
        if (this.#shown[stream] && !plain)
          this.#put(stream, Buffer.from(`${timestamps ? `${formatNanoseconds(time)} ` : ""}${this.#details}`));
      }
      const end = bytes.indexOf(NEWLINE, at);
      const next = end < 0 ? bytes.length : end + 1;
      if (this.#shown[stream]) this.#put(stream, bytes.subarray(at, next));
      this.#begun[stream] = end < 0;
      at = next;
    }
  }

  #missing({ kind, lost, time }: LogRecord): void {
    const { since, until, tail } = this.#options;
    if (tail !== undefined && this.#skipped > 0) return;
    if ((since !== undefined && time < since) || (until !== undefined && time > until)) return;
    this.#flush();
    this.#tell(
      kind === "lost"
        ? `${lost} bytes before ${formatNanoseconds(time)} could not be kept: there was no room on the disk`
        : "a part of the log is damaged, and left out",
    );
  }

  #put(stream: 1 | 2, bytes: Uint8Array): void {
    if (stream !== this.#stream || this.#filled + bytes.length > BATCH) this.#flush();
    this.#stream = stream;
    if (bytes.length > BATCH) this.#open &&= this.#write(stream, bytes);
    else {
      this.#batch.set(bytes, this.#filled);
      this.#filled += bytes.length;
    }
  }

  #flush(): void {
    if (this.#filled > 0) this.#open &&= this.#write(this.#stream, this.#batch.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

/** What `--log-opt labels=` and `env=` asked for. */
function detailsOf({ paths }: Engine, id: string, config: Config | undefined): string {
  return (config ?? readConfig(paths, id))?.annotations?.[LOG_DETAILS] ?? "";
}
