/** Programs in turn, A B C A B C …, so that what the machine does meanwhile strikes them alike. */
import { spawnSync } from "node:child_process";

export interface Entry {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly note: string;
  /** Milliseconds, if it takes longer than others. */
  readonly patience?: number;
  /** Makes room for the next start; is not measured. */
  readonly after?: () => unknown;
}

/** An entry that cannot run here. */
export interface Absent {
  readonly name: string;
  readonly reason: string;
}

export type Entrant = Entry | Absent;

/** What one start leaves to the kernel and to daemons (namespaces that go, a second clean-up) ends before the next one. */
const SETTLE_MS = 50;

/** A session of its own: Ctrl-C ends the bench between two starts, and no engine halfway. */
export const alone = { detached: true, timeout: 30_000 };

export const interrupted = new AbortController();

/** Lets signal handlers run, which wait while a child is waited for. */
export async function settle(milliseconds = SETTLE_MS): Promise<void> {
  await new Promise((resolve) => (milliseconds > 0 ? setTimeout(resolve, milliseconds) : setImmediate(resolve)));
  interrupted.signal.throwIfAborted();
}

/** Milliseconds from spawn to exit, or why there are none. */
export function wallTime({ argv, env, patience = alone.timeout }: Entry): number | string {
  const [program = "", ...args] = argv;
  const start = process.hrtime.bigint();
  const child = spawnSync(program, args, { ...alone, timeout: patience, stdio: "ignore", env: env ?? process.env });
  const took = Number(process.hrtime.bigint() - start) / 1e6;
  if (child.error) return child.error.message;
  return child.status === 0 ? took : `ended with ${child.signal ?? child.status}`;
}

/** Runs it once with its messages kept. Gives its last line if it fails. */
export function attempt(entry: Entry): Entrant {
  const [program = "", ...args] = entry.argv;
  const child = spawnSync(program, args, {
    ...alone,
    timeout: entry.patience ?? alone.timeout,
    stdio: ["ignore", "ignore", "pipe"],
    env: entry.env ?? process.env,
    encoding: "utf8",
  });
  entry.after?.();
  if (child.status === 0) return entry;
  const line = (child.stderr ?? "").trim().split("\n").at(-1) ?? "";
  const last = /msg="(.*)"$/.exec(line)?.[1] ?? line;
  const reason = child.error?.message || last || `ended with ${child.signal ?? child.status}`;
  return { name: entry.name, reason: reason.length <= 100 ? reason : `${reason.slice(0, 99)}…` };
}

export interface Result {
  readonly entry: Entry;
  /** Milliseconds, a round each. */
  readonly times: number[];
}

/** The first round warms up and does not count. An entry that fails in a round is out. */
export async function race(entrants: readonly Entrant[], rounds: number): Promise<(Result | Absent)[]> {
  const tried: Entrant[] = [];
  for (const entrant of entrants) {
    tried.push("argv" in entrant ? attempt(entrant) : entrant);
    await settle();
  }
  const results = tried.map((e): Result | Absent => ("argv" in e ? { entry: e, times: [] } : e));
  for (let round = 0; round <= rounds; round++)
    for (const [i, result] of results.entries()) {
      if (!("times" in result)) continue;
      const took = wallTime(result.entry);
      result.entry.after?.();
      await settle();
      if (typeof took === "string") results[i] = { name: result.entry.name, reason: `round ${round}: ${took}` };
      else if (round > 0) result.times.push(took);
    }
  return results;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
