/** What users say about the container's process, checked one by one. */
import { invalid } from "../errors.ts";
import { signalNumber } from "../linux/signals.ts";
import type { Linux, Process } from "./config.ts";
import type { RunOptions } from "./options.ts";
import { parseWhole } from "./sizes.ts";

export function umaskOf({ umask }: RunOptions): number {
  if (umask === undefined) return 0o022;
  if (!/^[0-7]{1,4}$/.test(umask)) throw invalid(`--umask "${umask}": not an octal number`, "as 0022");
  return Number.parseInt(umask, 8) & 0o777;
}

export function priorityOf(options: RunOptions): Pick<Process, "oomScoreAdj" | "scheduler"> {
  return {
    ...(options.oomScoreAdj === undefined
      ? {}
      : { oomScoreAdj: parseWhole(options.oomScoreAdj, "--oom-score-adj", -1000, 1000) }),
    ...(options.nice === undefined
      ? {}
      : { scheduler: { policy: "SCHED_OTHER" as const, nice: parseWhole(options.nice, "--nice", -20, 19) } }),
  };
}

export function domainnameOf({ domainname, uts }: RunOptions): string | undefined {
  if (domainname === undefined) return undefined;
  if (!/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(domainname))
    throw invalid(`--domainname "${domainname}": not a domain name`, "letters, digits, - and ., at most 64");
  if (!["", "private"].includes(uts))
    throw invalid("--domainname: the UTS namespace is another's, whose name stays", `leave out --uts ${uts}`);
  return domainname;
}

/** Seconds that the clocks inside are ahead of the host's: time_namespaces(7). */
export function timeOffsetsOf({ timeOffsets }: RunOptions): Linux["timeOffsets"] | undefined {
  if (timeOffsets.length === 0) return undefined;
  const result: NonNullable<Linux["timeOffsets"]> = {};
  for (const text of timeOffsets) {
    const [, clock, seconds] = /^(monotonic|boottime)=(-?\d{1,10})$/.exec(text) ?? [];
    if (clock !== "monotonic" && clock !== "boottime")
      throw invalid(`--time-offset "${text}": not of the form monotonic=SECONDS or boottime=SECONDS`);
    result[clock] = { secs: Number(seconds), nanosecs: 0 };
  }
  return result;
}

/** What a container is told of its end with, and how long it may take: kept for whoever stops it. */
export function annotationsOf(
  options: RunOptions,
  image: { readonly labels?: Readonly<Record<string, string>>; readonly stopSignal?: string } = {},
): Record<string, string> {
  const result: Record<string, string> = { ...image.labels };
  const asked = { "--label": options.labels, "--annotation": options.annotations };
  for (const [flag, entries] of Object.entries(asked))
    for (const text of entries) {
      const at = text.indexOf("=");
      const name = at < 0 ? text : text.slice(0, at);
      if (name === "") throw invalid(`${flag} "${text}": has no name`);
      result[name] = at < 0 ? "" : text.slice(at + 1);
    }
  const stopSignal = options.stopSignal ?? image.stopSignal;
  if (stopSignal !== undefined) {
    if (signalNumber(stopSignal) === undefined)
      throw invalid(`--stop-signal "${stopSignal}": no signal is called that`, "as SIGTERM, or a number");
    result["org.opencontainers.image.stopSignal"] = stopSignal;
  }
  if (options.stopTimeout !== undefined)
    result["dev.vitrine.stopTimeout"] = String(parseWhole(options.stopTimeout, "--stop-timeout", -1, 2_147_483));
  return result;
}

/** Milliseconds; 0: no time-out. */
export function timeoutOf({ timeout }: RunOptions): number {
  return timeout === undefined ? 0 : 1000 * parseWhole(timeout, "--timeout", 0, 2_147_483);
}
