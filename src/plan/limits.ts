/** Limits and priorities of single processes: getrlimit(2), proc_pid_oom_score_adj(5). */
import { O_CLOEXEC, O_WRONLY } from "../linux/constants.ts";
import type { Process, Rlimit } from "../spec/config.ts";
import { expect, out, struct, sys, text, u64, withPid } from "./instructions.ts";
import { inside, onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";
import { type Scheduled, setScheduling } from "./scheduling.ts";

/** In the order of the kernel's numbers (asm-generic/resource.h). */
const TYPES =
  "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO RTTIME".split(" ");

export const RLIMIT_TYPES = TYPES.map((type) => `RLIMIT_${type}`);

const numberOf = ({ type }: Rlimit) => TYPES.indexOf(type.replace(/^RLIMIT_/, ""));
const nameOf = ({ type }: Rlimit) => type.replace(/^RLIMIT_/, "").toLowerCase();
const shown = (limit: Rlimit["soft"]) => (limit < 0 ? "unlimited" : String(limit));

/** struct rlimit64; -1 is RLIM64_INFINITY, as what is rounded up beyond it. */
const rlimit = ({ soft, hard }: Rlimit) => struct([u64(words(soft)), u64(words(hard))]);
const words = (limit: Rlimit["soft"]) => (limit < 0 || limit >= 2 ** 64 ? -1n : BigInt(limit));

/** Last of all but execve: a small limit on descriptors or memory would get in the way of what comes before. */
export function setRlimits({ rlimits = [] }: Process): Op[] {
  if (rlimits.length === 0) return [];
  const told = {
    call: "prlimit64",
    object: rlimits.map((r) => `${nameOf(r)} ${shown(r.soft)}:${shown(r.hard)}`).join(", "),
    why: "Asked for: limits of each process, which its children inherit.",
    sh: `prlimit ${rlimits.map((r) => `--${nameOf(r)}=${shown(r.soft)}:${shown(r.hard)}`).join(" ")}`,
  };
  return [
    inside(
      told,
      rlimits.map((r) => sys("prlimit64", [0, numberOf(r), rlimit(r), 0])),
    ),
  ];
}

const RLIMIT_NOFILE = TYPES.indexOf("NOFILE");

/** Sets the soft limit on open files, and leaves the hard one as it is. @param soft undefined: as high as that */
function setSoftFiles(soft: number | undefined): Instruction[] {
  const limit = out(16); // struct rlimit64
  const hard = expect({ load: limit, at: 8, width: 8 }, 0n, 0n, "EIO");
  const both = struct([u64(soft ?? hard), u64(hard)]);
  return [sys("prlimit64", [0, RLIMIT_NOFILE, 0, limit]), hard, sys("prlimit64", [0, RLIMIT_NOFILE, both, 0])];
}

/** @param soft the caller's limit, if it is not as high as it may be */
export function raiseSoftFiles(soft: number | undefined): Op[] {
  if (soft === undefined) return [];
  const told = {
    call: "prlimit64",
    object: "open files of the stage",
    why: "Each mount is a descriptor until it is attached: the soft limit is raised to the hard one.",
  };
  return [onHost(told, setSoftFiles(undefined))];
}

/** The program is to have the limit that the caller had. */
export function lowerSoftFiles(soft: number | undefined, { rlimits = [] }: Process): Op[] {
  if (soft === undefined || rlimits.some(({ type }) => type === "RLIMIT_NOFILE")) return [];
  const told = {
    call: "prlimit64",
    object: `open files ${soft}`,
    why: "The program has the soft limit that the caller had.",
    sh: `ulimit -Sn ${soft}`,
  };
  return [inside(told, setSoftFiles(soft))];
}

/** Only a process with CAP_SYS_RESOURCE over the host may raise a hard limit: the stage does it for the container. */
export function raiseRlimits({ rlimits = [] }: Process, types: readonly string[], child: Instruction): Op[] {
  const raised = rlimits.filter((r) => types.includes(r.type)).map((r) => ({ ...r, soft: r.hard }));
  if (raised.length === 0) return [];
  const told = {
    call: "prlimit64",
    object: raised.map((r) => `${nameOf(r)} up to ${shown(r.hard)}`).join(", "),
    why: "Above the caller's own hard limits: it takes rights over the host to raise them.",
    sh: `prlimit ${raised.map((r) => `--${nameOf(r)}=${shown(r.soft)}:${shown(r.hard)}`).join(" ")} --pid $PID`,
  };
  return [
    onHost(
      told,
      raised.map((r) => sys("prlimit64", [child, numberOf(r), rlimit(r), 0])),
    ),
  ];
}

/** By the stage, which may have the rights for it that the container has not. */
export function setPriorities(process: Process, child: Scheduled, procfs: Instruction): Op[] {
  const { oomScoreAdj } = process;
  const scheduling = setScheduling(process, child);
  if (oomScoreAdj === undefined) return scheduling;
  const value = text(String(oomScoreAdj));
  const file = sys("openat", [procfs, withPid("", child.pid, "/oom_score_adj"), O_WRONLY | O_CLOEXEC]);
  const told = {
    call: "write",
    object: `${oomScoreAdj} to oom_score_adj`,
    why: "Asked for: when memory runs out, the kernel takes the process with the highest score.",
    sh: `echo ${oomScoreAdj} > /proc/$PID/oom_score_adj`,
  };
  return [...scheduling, onHost(told, [file, sys("write", [file, value, value.bytes.length]), sys("close", [file])])];
}
