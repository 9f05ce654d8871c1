/** --ulimit, held against what this process may set. */
import { readFileSync } from "node:fs";
import { type ParsedRlimits, parseRlimits, UNLIMITED } from "../spec/rlimits.ts";
import { heldCapabilities } from "./held.ts";

const CAP_SYS_RESOURCE = 24n;

/** Names in /proc/PID/limits (proc_pid_limits(5)) of the limits by type. */
const TITLES: Readonly<Record<string, string>> = {
  "Max cpu time": "RLIMIT_CPU",
  "Max file size": "RLIMIT_FSIZE",
  "Max data size": "RLIMIT_DATA",
  "Max stack size": "RLIMIT_STACK",
  "Max core file size": "RLIMIT_CORE",
  "Max resident set": "RLIMIT_RSS",
  "Max processes": "RLIMIT_NPROC",
  "Max open files": "RLIMIT_NOFILE",
  "Max locked memory": "RLIMIT_MEMLOCK",
  "Max address space": "RLIMIT_AS",
  "Max file locks": "RLIMIT_LOCKS",
  "Max pending signals": "RLIMIT_SIGPENDING",
  "Max msgqueue size": "RLIMIT_MSGQUEUE",
  "Max nice priority": "RLIMIT_NICE",
  "Max realtime priority": "RLIMIT_RTPRIO",
  "Max realtime timeout": "RLIMIT_RTTIME",
};

/** This process's own, by type: "RLIMIT_NOFILE". */
export function hardLimits(): Record<string, number> {
  const hard: Record<string, number> = {};
  for (const line of readFileSync("/proc/self/limits", "latin1").split("\n").slice(1)) {
    const [, title = "", , value = ""] = /^(\w[\w ]*?) {2,}(\S+) +(\S+)/.exec(line) ?? [];
    const type = TITLES[title];
    if (type !== undefined) hard[type] = value === "unlimited" ? UNLIMITED : Number(value);
  }
  return hard;
}

export function resolveRlimits(asked: readonly string[]): ParsedRlimits {
  const hard = hardLimits();
  return parseRlimits(asked, { hard, mayRaise: ((heldCapabilities() >> CAP_SYS_RESOURCE) & 1n) === 1n });
}
