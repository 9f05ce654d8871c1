/** What a container uses, in the few numbers that people look at. */
import { readFileSync } from "node:fs";
import type { HostFacts } from "../linux/facts.ts";
import { readStats } from "./stats.ts";

export interface Usage {
  /** Nanoseconds of all CPUs since it was started. */
  readonly cpu: number;
  /** Bytes, without files that the kernel could drop at once. */
  readonly memory: number;
  /** Bytes; undefined: none. */
  readonly memoryLimit: number | undefined;
  readonly read: number;
  readonly written: number;
  readonly processes: number;
}

export const NOTHING: Usage = { cpu: 0, memory: 0, memoryLimit: undefined, read: 0, written: 0, processes: 0 };

interface Stats {
  readonly cpu?: { readonly usage?: { readonly total?: number } };
  readonly memory?: {
    readonly usage?: { readonly usage?: number; readonly limit?: number };
    readonly raw?: Readonly<Record<string, number>>;
  };
  readonly pids?: { readonly current?: number };
  readonly blkio?: { readonly ioServiceBytesRecursive?: readonly { readonly op: string; readonly value: number }[] };
}

/** Limits above this are none: v1 has a very large number for that. */
const NO_LIMIT = 2 ** 52;

/** @param path of its groups */
export function readUsage(facts: HostFacts, path: string): Usage {
  const { cpu, memory, pids, blkio }: Stats = JSON.parse(readStats(facts, path));
  const { usage = 0, limit = NO_LIMIT } = memory?.usage ?? {};
  const files = memory?.raw?.total_inactive_file ?? memory?.raw?.inactive_file ?? 0; // v1, v2
  const moved = (op: string) =>
    (blkio?.ioServiceBytesRecursive ?? []).reduce((sum, entry) => sum + (entry.op === op ? entry.value : 0), 0);
  return {
    cpu: cpu?.usage?.total ?? 0,
    memory: files < usage ? usage - files : usage,
    memoryLimit: limit > 0 && limit < NO_LIMIT ? limit : undefined,
    read: moved("Read"),
    written: moved("Write"),
    processes: pids?.current ?? 0,
  };
}

export interface Traffic {
  readonly received: number;
  readonly sent: number;
}

/** Bytes over all interfaces but lo of the network that a process is in, without entering it. */
export function readTraffic(pid: number): Traffic {
  let [received, sent] = [0, 0];
  try {
    for (const line of readFileSync(`/proc/${pid}/net/dev`, "latin1").split("\n")) {
      const [, name, rest = ""] = /^\s*([^\s:]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || name === "lo") continue;
      const numbers = rest.split(/\s+/).map(Number);
      received += numbers[0] ?? 0;
      sent += numbers[8] ?? 0;
    }
  } catch {
    // It has just ended.
  }
  return { received, sent };
}
