/** --ulimit NAME=SOFT[:HARD]. See getrlimit(2). */
import { invalid } from "../errors.ts";
import type { Rlimit } from "./config.ts";

/** Docker's names, in the order of the kernel's numbers. */
export const RLIMITS = [
  "cpu",
  "fsize",
  "data",
  "stack",
  "core",
  "rss",
  "nproc",
  "nofile",
  "memlock",
  "as",
  "locks",
  "sigpending",
  "msgqueue",
  "nice",
  "rtprio",
  "rttime",
] as const;

export const UNLIMITED = -1;

/** What the caller may set: hard limits by type, and whether they can be raised. */
export interface OwnLimits {
  readonly hard: Readonly<Record<string, number>>;
  readonly mayRaise: boolean;
}

export interface ParsedRlimits {
  readonly rlimits: Rlimit[];
  /** Types of those above the caller's own hard limit. */
  readonly raised: string[];
  /** What was lowered to what the caller may give. */
  readonly warnings: string[];
}

export function parseRlimits(asked: readonly string[], own: OwnLimits): ParsedRlimits {
  const found = new Map<string, Rlimit>();
  const warnings: string[] = [];
  const raised: string[] = [];
  for (const text of asked) {
    const [, name = "", soft = "", hard = soft] = /^(\w+)=(-?\w+)(?::(-?\w+))?$/.exec(text) ?? [];
    if (!(RLIMITS as readonly string[]).includes(name))
      throw invalid(`--ulimit "${text}": not of the form NAME=SOFT[:HARD]`, `names: ${RLIMITS.join(", ")}`);
    const limit = { type: `RLIMIT_${name.toUpperCase()}`, soft: amount(soft, text), hard: amount(hard, text) };
    if (exceeds(limit.soft, limit.hard)) throw invalid(`--ulimit "${text}": the soft limit is above the hard one`);
    const most = own.hard[limit.type] ?? UNLIMITED;
    if (exceeds(limit.hard, most) && !own.mayRaise) {
      warnings.push(`--ulimit "${text}": lowered to ${most}, the most that the caller may give`);
      limit.hard = most;
      if (exceeds(limit.soft, most)) limit.soft = most;
    } else if (exceeds(limit.hard, most)) raised.push(limit.type);
    found.set(limit.type, limit);
  }
  return { rlimits: [...found.values()], raised, warnings };
}

function amount(text: string, whole: string): number {
  if (text === "unlimited" || text === "-1") return UNLIMITED;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw invalid(`--ulimit "${whole}": "${text}" is neither a number nor unlimited`);
  return value;
}

function exceeds(a: number, b: number): boolean {
  return b !== UNLIMITED && (a === UNLIMITED || a > b);
}
