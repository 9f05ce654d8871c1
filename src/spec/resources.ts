/** Limits as users write them, as resources of the OCI config. */
import { invalid } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Resources } from "./config.ts";
import { DEFAULT_PIDS_LIMIT, LEAST_MEMORY, type RunOptions } from "./options.ts";
import { parseBytes, parseWhole } from "./sizes.ts";

/** Limits for which docker takes 0 as not given. */
const NONE_IF_ZERO = [
  "memory",
  "memorySwap",
  "memoryReservation",
  "cpus",
  "cpuShares",
  "cpuPeriod",
  "cpuQuota",
] as const;

export function resourcesOf(asked: RunOptions, facts: HostFacts): Resources {
  const options = { ...asked };
  for (const name of NONE_IF_ZERO) if (options[name] === "0") delete options[name];
  const memory = memoryOf(options);
  const cpu = cpuOf(options, facts);
  const most =
    options.pidsLimit === undefined ? DEFAULT_PIDS_LIMIT : parseWhole(options.pidsLimit, "--pids-limit", -1, 4_194_304);
  return {
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    pids: { limit: most === 0 ? -1 : most },
  };
}

function memoryOf(options: RunOptions): NonNullable<Resources["memory"]> {
  const result: Resources["memory"] = {};
  const limit = options.memory === undefined ? undefined : parseBytes(options.memory, "--memory");
  if (limit !== undefined) {
    if (limit < LEAST_MEMORY) throw invalid(`--memory "${options.memory}": the least is 6m`);
    result.limit = limit;
    result.swap = 2 * limit; // docker's default for --memory-swap
  }
  if (options.memorySwap !== undefined) {
    if (limit === undefined) throw invalid("--memory-swap: goes with --memory only");
    const swap = options.memorySwap === "-1" ? -1 : parseBytes(options.memorySwap, "--memory-swap");
    if (swap !== -1 && swap < limit)
      throw invalid(`--memory-swap "${options.memorySwap}": less than --memory`, "it counts memory and swap together");
    result.swap = swap;
  }
  if (options.memoryReservation !== undefined) {
    const reservation = parseBytes(options.memoryReservation, "--memory-reservation");
    if (limit !== undefined && reservation > limit)
      throw invalid(`--memory-reservation "${options.memoryReservation}": more than --memory`);
    result.reservation = reservation;
  }
  if (options.memorySwappiness !== undefined && options.memorySwappiness !== "-1")
    result.swappiness = parseWhole(options.memorySwappiness, "--memory-swappiness", 0, 100);
  if (options.oomKillDisable) {
    if (limit === undefined) throw invalid("--oom-kill-disable: goes with --memory only, or the host would hang");
    result.disableOOMKiller = true;
  }
  return result;
}

function cpuOf(options: RunOptions, facts: HostFacts): NonNullable<Resources["cpu"]> {
  const result: Resources["cpu"] = {};
  if (options.cpus !== undefined) {
    if (options.cpuPeriod !== undefined || options.cpuQuota !== undefined)
      throw invalid("--cpus: is a period and a quota itself, and goes with neither --cpu-period nor --cpu-quota");
    const cpus = Number(options.cpus);
    if (!/^\d*\.?\d+$/.test(options.cpus) || !(cpus >= 0.01 && cpus <= facts.cpus))
      throw invalid(`--cpus "${options.cpus}": not a number from 0.01 to ${facts.cpus}, the CPUs of this host`);
    result.period = 100_000;
    result.quota = Math.round(cpus * result.period);
  }
  if (options.cpuPeriod !== undefined) result.period = parseWhole(options.cpuPeriod, "--cpu-period", 1000, 1_000_000);
  if (options.cpuQuota !== undefined) {
    const quota = parseWhole(options.cpuQuota, "--cpu-quota", -1);
    if (quota !== -1 && quota < 1000)
      throw invalid(`--cpu-quota "${options.cpuQuota}": the least is 1000 microseconds`);
    result.quota = quota;
  }
  if (options.cpuShares !== undefined) result.shares = parseWhole(options.cpuShares, "--cpu-shares", 2, 262144);
  if (options.cpusetCpus !== undefined) result.cpus = parseList(options.cpusetCpus, "--cpuset-cpus", facts.cpus - 1);
  if (options.cpusetMems !== undefined) result.mems = parseList(options.cpusetMems, "--cpuset-mems", 1023);
  return result;
}

/** "0-2,4": cpuset(7), list format. */
function parseList(text: string, what: string, last: number): string {
  for (const part of text.split(",")) {
    const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (from === undefined) throw invalid(`${what} "${text}": not a list of numbers`, "as 0-2,4");
    const end = Number(to ?? from);
    if (end < Number(from)) throw invalid(`${what} "${text}": ${part} ends before it begins`);
    if (end > last) throw invalid(`${what} "${text}": this host has 0 to ${last}`);
  }
  return text;
}
