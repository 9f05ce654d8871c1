/** The vitrine command as a child: each call is one, so that nothing blocks this process, and a failure in one call is that call's alone. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { VitrineError } from "../errors.ts";
import { errorOf, type Told } from "./errors.ts";
import { OWNER, Splitter } from "./messages.ts";

export interface Places {
  /** Images and containers: /var/lib/vitrine, or $VITRINE_ROOT. */
  readonly root?: string | undefined;
  /** What a reboot ends: /run/vitrine, or $VITRINE_STATE. */
  readonly state?: string | undefined;
  /** The vitrine command: the one that this package comes with, or $VITRINE_PROGRAM. */
  readonly program?: string | undefined;
}

export interface Calling {
  /** Ends the call. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each thing that was not done as asked. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** @throws NOT_FOUND */
function programOf(asked: string | undefined): string {
  const chosen = asked ?? process.env.VITRINE_PROGRAM;
  const own = ["../../vitrine", "../../dist/vitrine"].map((path) => fileURLToPath(new URL(path, import.meta.url)));
  const found = (chosen === undefined ? own : [chosen]).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new VitrineError("NOT_FOUND", `${chosen ?? own[0]}: the vitrine command is not there`, {
    hint: "make build, or name it: new Vitrine({ program })",
  });
}

export class Commander {
  readonly #program: string;
  readonly #places: readonly string[];

  constructor({ root, state, program }: Places) {
    this.#program = programOf(program);
    this.#places = [
      ...(root === undefined ? [] : ["--root", root]),
      ...(state === undefined ? [] : ["--state", state]),
    ];
  }

  /** Standard streams are pipes, standard input only if it is wanted. */
  spawn(args: readonly string[], input = false): ChildProcess {
    return spawn(this.#program, [...this.#places, ...args], {
      stdio: [input ? "pipe" : "ignore", "pipe", "pipe"],
      env: { ...process.env, VITRINE_OWNER: OWNER, NO_COLOR: "1" },
    });
  }

  /** Its standard output, as text. @throws VitrineError, or the signal's reason */
  async call(args: readonly string[], { signal, onWarning }: Calling = {}): Promise<string> {
    signal?.throwIfAborted();
    const child = this.spawn(args);
    const abort = () => child.kill("SIGTERM");
    signal?.addEventListener("abort", abort);
    try {
      const { status, stdout, stderr, told } = await outcome(child, onWarning);
      signal?.throwIfAborted();
      if (told) throw errorOf(told);
      if (status !== 0) throw new Error(`vitrine ${args.join(" ")} ended with ${status}: ${stderr.trim()}`);
      return stdout;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Its two streams as they come; what goes wrong destroys both with an error. */
  streams(
    args: readonly string[],
    input = false,
  ): { stdin: Writable | null; stdout: Readable; stderr: Readable; close(): void } {
    const child = this.spawn(args, input);
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    let told: Told | undefined;
    const splitter = new Splitter(({ error }) => {
      told ??= error;
    });
    child.stdout?.pipe(stdout, { end: false });
    child.stderr?.on("data", (chunk: Buffer) => {
      if (!stderr.write(splitter.push(chunk))) child.stderr?.pause();
    });
    stderr.on("drain", () => child.stderr?.resume());
    const close = () => void child.kill("SIGKILL");
    stdout.on("close", close); // as a loop does that is left
    child.on("error", (error) => stdout.destroy(error));
    child.on("close", (code) => {
      const wrong = told ? errorOf(told) : undefined;
      for (const stream of [stdout, stderr]) if (wrong && code !== 0) stream.destroy(wrong);
      stderr.end(splitter.end());
      stdout.end();
    });
    child.stdin?.on("error", () => {}); // each write is told of its own
    return { stdin: child.stdin, stdout, stderr, close };
  }
}

async function outcome(child: ChildProcess, onWarning: ((text: string) => void) | undefined) {
  let told: Told | undefined;
  const splitter = new Splitter(({ error, warning }) => {
    told ??= error;
    if (warning !== undefined) onWarning?.(warning);
  });
  const [out, err]: Buffer[][] = [[], []];
  child.stdout?.on("data", (chunk: Buffer) => out?.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => err?.push(splitter.push(chunk)));
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal ?? "no status"));
  });
  const text = (parts: Buffer[] | undefined) => Buffer.concat(parts ?? []).toString();
  return { status, stdout: text(out), stderr: text(err), told };
}
