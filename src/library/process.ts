/** Something that runs in a container, and is this process's own: it ends with it. */
import type { ChildProcess } from "node:child_process";
import { PassThrough, type Readable, type Writable } from "node:stream";
import type { Calling } from "./command.ts";
import { errorOf, type Told } from "./errors.ts";
import { type Message, Splitter } from "./messages.ts";

export interface Exit {
  /** Of the program; 128 and the number of the signal that ended it. */
  readonly exitCode: number;
  /** The kernel ended a process of it for want of memory. */
  readonly outOfMemory: boolean;
}

export interface Output extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** See OWNER_GONE in src/plan/attended.ts. */
const END = "SIGSTKFLT";

/** A command whose program runs. */
export interface Started {
  readonly child: ChildProcess;
  readonly stdout: Readable;
  /** Without what the command said for itself. */
  readonly stderr: Readable;
  readonly exited: Promise<Exit>;
  /** Of the container, or of the exec. */
  readonly id: string;
}

export class OwnedProcess {
  /** A stream that nobody reads holds the program up when it is full, as a pipe does: some 64 KiB. */
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Null unless it was asked for. */
  readonly stdin: Writable | null;
  /** When it has ended, and nothing of it is left. */
  readonly exited: Promise<Exit>;
  readonly #child: ChildProcess;
  #over = false;

  constructor({ child, stdout, stderr, exited }: Started) {
    this.#child = child;
    this.stdout = stdout;
    this.stderr = stderr;
    this.stdin = child.stdin;
    this.exited = exited.finally(() => {
      this.#over = true;
    });
  }

  /** Reads both streams to their end, as UTF-8. */
  async output(): Promise<Output> {
    const [stdout, stderr] = await Promise.all([textOf(this.stdout), textOf(this.stderr)]);
    return { ...(await this.exited), stdout, stderr };
  }

  /** Sends a signal to the program, SIGTERM if not said; nothing if it has ended. */
  kill(signal: NodeJS.Signals | number = "SIGTERM"): void {
    if (this.#over) return;
    // The command hands on all that can be; SIGKILL would end the command, and leave the undoing to the next one.
    this.#child.kill(signal === "SIGKILL" || signal === 9 ? END : signal);
  }

  /** Ends it at once, and waits until nothing of it is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.kill("SIGKILL");
    this.stdout.resume();
    this.stderr.resume();
    await this.exited;
  }
}

async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** When its program runs. @throws what kept it from running, or the signal's reason */
export async function started(child: ChildProcess, { signal, onWarning }: Calling = {}): Promise<Started> {
  // Node throws away what nobody has begun to read when a child exits (flushStdio() in lib/internal/child_process.js).
  const output = (child.stdout as Readable).pipe(new PassThrough());
  const errors = new PassThrough();
  let killed = false;
  let told: Told | undefined;
  let ended = false;
  let begun: (id: string) => void = () => {};
  const take = (message: Message) => {
    if (message.started !== undefined) begun(message.started);
    if (message.warning !== undefined) onWarning?.(message.warning);
    if (message.outOfMemory) killed = true;
    told ??= message.error;
  };
  const splitter = new Splitter(take);
  const source = child.stderr as Readable;
  source.on("data", (chunk: Buffer) => {
    const theirs = splitter.push(chunk);
    if (theirs.length > 0 && !errors.write(theirs) && !ended) source.pause();
  });
  errors.on("drain", () => source.resume());
  source.on("end", () => errors.end(splitter.end()));
  // From now on: it may end before what it has said is read.
  const exited = new Promise<Exit>((resolve) =>
    child.on("exit", (code, by) => {
      ended = true;
      source.resume(); // what is in the pipe still, and no more
      const exitCode = code ?? (by ? 137 : 125);
      const told = () => resolve({ exitCode, outOfMemory: killed });
      if (source.readableEnded || source.destroyed) told();
      else source.once("close", told); // what it said last comes before that
    }),
  );
  const abort = () => child.kill(END);
  signal?.addEventListener("abort", abort);
  if (signal?.aborted) abort();
  try {
    return await new Promise<Started>((resolve, reject) => {
      begun = (id) => resolve({ child, stdout: output, stderr: errors, exited, id });
      child.on("error", reject);
      child.on("close", (code, by) => {
        if (signal?.aborted) reject(signal.reason);
        else reject(told ? errorOf(told) : new Error(`vitrine ended with ${code ?? by} before the program ran`));
      });
    });
  } finally {
    if (signal?.aborted) output.resume();
  }
}
