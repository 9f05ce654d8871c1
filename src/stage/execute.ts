/** Plans carried out by the stage as a child. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { PROGRAM } from "./encode.ts";

export interface Outcome {
  /** Exit status as a shell gives it. */
  readonly status: number;
  readonly stderr: string;
  /** Empty unless it was asked for. */
  readonly stdout: Uint8Array;
}

const MOST_OUTPUT = 2 ** 27;

/**
 * Runs a program of a plan file to its end.
 * @param stdout take what it writes, or drop it
 * @param given see GIVEN in src/plan/plan.ts
 */
export function runStage(
  stage: string,
  plan: string,
  program: keyof typeof PROGRAM = "run",
  stdout: "take" | "drop" = "drop",
  given = 0,
): Outcome {
  const child = spawnSync(stage, [plan, String(PROGRAM[program]), String(given)], {
    stdio: ["ignore", stdout === "take" ? "pipe" : "ignore", "pipe"],
    env: {},
    maxBuffer: MOST_OUTPUT,
  });
  if (child.error) throw child.pid > 0 ? child.error : new NotStarted(stage, child.error);
  return { status: child.status ?? 128, stderr: child.stderr.toString(), stdout: child.stdout ?? new Uint8Array() };
}

/** There is no process, and nothing was done. */
export class NotStarted extends Error {
  readonly code: string | undefined;
  readonly syscall = "spawn";

  constructor(stage: string, cause: NodeJS.ErrnoException) {
    super(`${stage} cannot be started: ${cause.message}`, { cause });
    this.code = cause.code;
  }
}

/** A stage that is at work, and what goes to and fro. */
export interface Working {
  /** To its standard input; resolves when the chunk may be used for something else. Rejects with EPIPE if the stage has ended. */
  write(chunk: Uint8Array): Promise<void>;
  /** No more comes. */
  close(): void;
  readonly output: AsyncIterable<Uint8Array>;
  readonly ended: Promise<Omit<Outcome, "stdout">>;
  kill(): void;
}

/** Begins to run a program of a plan file. What it writes has to be read. @throws NotStarted */
export async function startStage(stage: string, plan: string): Promise<Working> {
  const child = spawn(stage, [plan, String(PROGRAM.run), "0"], { stdio: ["pipe", "pipe", "pipe"], env: {} });
  // It tells in a moment why not.
  if (child.pid === undefined)
    await once(child, "spawn").catch((error) => Promise.reject(new NotStarted(stage, error)));
  const { stdin, stdout } = child;
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  stdin.on("error", () => {}); // each write is told of its own
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stdin.write(chunk, (error) => (error ? reject(error) : resolve()));
      }),
    close: () => stdin.end(),
    output: stdout,
    ended: new Promise((resolve, reject) => {
      child.on("error", reject);
      // Not "close": a child of the stage may hold its streams a little longer, and nobody has to read them to their end.
      child.on("exit", (code, signal) =>
        resolve({ status: code ?? 128 + (signal ? constants.signals[signal] : 0), stderr }),
      );
    }),
    kill: () => child.kill("SIGKILL"),
  };
}
