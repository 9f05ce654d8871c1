/** `stats`: what containers use, again and again. */
import { readFileSync } from "node:fs";
import { NOTHING, readTraffic, readUsage, type Traffic, type Usage } from "../cgroup/usage.ts";
import { listRuns } from "../container/runs.ts";
import { hasNamespace } from "../spec/config.ts";
import type { Engine } from "./context.ts";
import { liveAmong } from "./live.ts";
import { lookUp } from "./lookup.ts";
import { listContainers } from "./ps.ts";

/** A container as it is called, and as it is at a moment. */
export interface Sample {
  readonly id: string;
  readonly name: string;
  /** As the user called it. */
  readonly called: string;
  readonly running: boolean;
  /** Nanoseconds. */
  readonly at: bigint;
  readonly usage: Usage;
  readonly traffic: Traffic;
  readonly memoryLimit: number;
}

export interface Watched {
  readonly id: string;
  readonly name: string;
  readonly called: string;
}

/** @param names none: all that run. @param all also those that do not @throws NOT_FOUND, INVALID */
export async function watched(engine: Engine, names: readonly string[], all: boolean): Promise<Watched[]> {
  if (names.length === 0) return (await listContainers(engine, all)).map(({ id, name }) => ({ id, name, called: id }));
  const known = await listContainers(engine, true);
  return names.map((called) => {
    const { id } = lookUp(engine, called);
    return { id, called, name: known.find((container) => container.id === id)?.name ?? called };
  });
}

/** Those that do not run have used nothing. */
export function sample({ paths }: Engine, containers: readonly Watched[]): Sample[] {
  const host = hostMemory();
  const runs = listRuns(paths);
  return containers.map((container) => {
    const live = liveAmong(runs.filter((run) => run.id === container.id));
    const at = process.hrtime.bigint();
    if (!live)
      return { ...container, at, running: false, usage: NOTHING, traffic: { received: 0, sent: 0 }, memoryLimit: 0 };
    const { facts, input } = live.record;
    const { config } = input;
    const usage = readUsage(facts, config.linux.cgroupsPath);
    const own = hasNamespace(config, "network"); // the host's traffic is nobody's in particular
    return {
      ...container,
      at,
      running: true,
      usage,
      traffic: own ? readTraffic(live.pid) : { received: 0, sent: 0 },
      memoryLimit: Math.min(usage.memoryLimit ?? host, host),
    };
  });
}

/** Of one CPU, between two samples of the same container. */
export function cpuPercent(before: Sample | undefined, now: Sample): number {
  if (!before?.running || !now.running || now.usage.cpu < before.usage.cpu) return 0;
  const time = Number(now.at - before.at);
  return time > 0 ? (100 * (now.usage.cpu - before.usage.cpu)) / time : 0;
}

function hostMemory(): number {
  const [, kilobytes = "0"] = /^MemTotal:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "latin1")) ?? [];
  return Number(kilobytes) * 1024;
}
