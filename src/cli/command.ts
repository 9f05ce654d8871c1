import type { Paths } from "../container/paths.ts";
import type { Flag, RefusedFlag } from "./flags.ts";

/** One command: what help says of it, and what it does. */
export interface Command {
  readonly usage: string;
  readonly summary: string;
  readonly flags: readonly Flag[];
  /** Flags that others have and that do not work here, and where they are told of. */
  readonly refused?: { load(): Promise<readonly RefusedFlag[]>; readonly told: string };
  /** Flags end at the first argument: what follows belongs to the program that is run. */
  readonly stopAtArgument?: boolean;
  run(invocation: Invocation): Promise<number> | number;
}

export interface Invocation {
  readonly paths: Paths;
  readonly flags: ReadonlyMap<string, string | boolean | string[]>;
  readonly args: readonly string[];
  /** process.hrtime() when the command began, nanoseconds. */
  readonly began: bigint;
}

export function text(i: Invocation, name: string): string | undefined {
  const value = i.flags.get(name);
  return typeof value === "string" ? value : undefined;
}

export function list(i: Invocation, name: string): string[] {
  const value = i.flags.get(name);
  return Array.isArray(value) ? value : [];
}

export function truth(i: Invocation, name: string): boolean {
  return i.flags.get(name) === true;
}
