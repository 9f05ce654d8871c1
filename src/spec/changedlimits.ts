/** Other limits for a container that is there: what it is asked for with from now on, and what is written to its groups. */
import type { HostFacts } from "../linux/facts.ts";
import type { Resources } from "./config.ts";
import type { RunOptions } from "./options.ts";
import { resourcesOf } from "./resources.ts";

/** As for `run`; "0", or "-1", takes a limit away. */
export type AskedLimits = Partial<
  Pick<
    RunOptions,
    | "memory"
    | "memorySwap"
    | "memoryReservation"
    | "cpus"
    | "cpuPeriod"
    | "cpuQuota"
    | "cpuShares"
    | "cpusetCpus"
    | "cpusetMems"
    | "pidsLimit"
  >
>;

export interface ChangedLimits {
  readonly options: RunOptions;
  /** All that it has now. */
  readonly resources: Resources;
  /** Those that were asked for: -1 is no limit. */
  readonly written: Resources;
}

const NORMAL_SHARES = 1024;
const NORMAL_PERIOD = 100_000;

/** @param before what the container was asked for with @throws INVALID, also for what goes with another limit only */
export function changeLimits(before: RunOptions, asked: AskedLimits, facts: HostFacts): ChangedLimits {
  const options: RunOptions = { ...before };
  for (const [name, value] of Object.entries(asked) as [keyof AskedLimits, string | undefined][])
    if (value !== undefined) options[name] = isNone(name, value) ? undefined : value;
  // Whichever of the two ways to share CPU time was said last counts.
  if (asked.cpus !== undefined) options.cpuPeriod = options.cpuQuota = undefined;
  else if (asked.cpuPeriod !== undefined || asked.cpuQuota !== undefined) options.cpus = undefined;
  if (options.memory === undefined && asked.memorySwap === undefined) options.memorySwap = undefined;
  const resources = resourcesOf(options, facts);
  return { options, resources, written: written(asked, resources) };
}

/** Of processes 0 and -1 are limits like others: 2048 is what is given otherwise. */
function isNone(name: keyof AskedLimits, value: string): boolean {
  if (name === "pidsLimit" || name === "cpusetCpus" || name === "cpusetMems") return false;
  return value === "0" || (value === "-1" && name !== "memorySwap");
}

function written(asked: AskedLimits, { memory = {}, cpu = {}, pids }: Resources): Resources {
  const has = (...names: (keyof AskedLimits)[]) => names.some((name) => asked[name] !== undefined);
  const bytes = {
    ...(has("memory", "memorySwap") ? { limit: memory.limit ?? -1, swap: memory.swap ?? -1 } : {}),
    ...(has("memoryReservation") ? { reservation: memory.reservation ?? -1 } : {}),
  };
  const time = {
    ...(has("cpus", "cpuPeriod", "cpuQuota") ? { period: cpu.period ?? NORMAL_PERIOD, quota: cpu.quota ?? -1 } : {}),
    ...(has("cpuShares") ? { shares: cpu.shares ?? NORMAL_SHARES } : {}),
    ...(has("cpusetCpus") && cpu.cpus !== undefined ? { cpus: cpu.cpus } : {}),
    ...(has("cpusetMems") && cpu.mems !== undefined ? { mems: cpu.mems } : {}),
  };
  return {
    ...(Object.keys(bytes).length > 0 ? { memory: bytes } : {}),
    ...(Object.keys(time).length > 0 ? { cpu: time } : {}),
    ...(has("pidsLimit") && pids ? { pids } : {}),
  };
}
