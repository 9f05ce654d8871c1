/** One more process in a container that runs: in its groups, its namespaces, under its rules. See setns(2). */

import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_FILES,
  CLONE_INTO_CGROUP,
  CLONE_NEWCGROUP,
  CLONE_NEWTIME,
  CLONE_PARENT,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  STATX_BASIC_STATS,
  WALL,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNamespace } from "../spec/config.ts";
import { joinExisting, type OwnGroup, ownGroup } from "./cgroup.ts";
import type { ContainerInput } from "./container.ts";
import { type PidText, stateFacts } from "./created.ts";
import type { Told } from "./events.ts";
import { readPid, sendTerminal } from "./handing.ts";
import { awaits, expect, out, sys } from "./instructions.ts";
import { enterCgroupNamespace, FLAGS } from "./join.ts";
import { type Kept, letGo, type RunPlace } from "./life.ts";
import { raiseRlimits, raiseSoftFiles, setPriorities } from "./limits.ts";
import { listens, sendListener } from "./listener.ts";
import { becomeRoot, type Child, cloneArgs, dieWithParent, ownPidfd, ownProcfs, undumpable } from "./namespaces.ts";
import { inside, onHost, onTheWay } from "./op.ts";
import type { Owner } from "./owner.ts";
import type { Clone, Instruction, Op, Section } from "./plan.ts";
import { planProcess } from "./process.ts";
import { joinResctrl } from "./resctrl.ts";
import { setAffinity } from "./scheduling.ts";
import { openPipe } from "./started.ts";
import type { Streams } from "./streams.ts";
import { openTerminal } from "./terminal.ts";

export interface ExecInput
  extends Pick<ContainerInput, "config" | "root" | "seccomp" | "raisedLimits" | "softFiles" | "resctrl"> {
  /** Whom its beginning and its end are told; undefined: nobody. */
  readonly told?: Told | undefined;
  /** Directory of the container. */
  readonly directory: string;
  readonly id: string;
  readonly bundle: { readonly directory: string };
  readonly place: RunPlace;
  readonly stage: { readonly path: string; readonly size: number };
  /** The container's first process, and the inode of its pidfd. */
  readonly target: { readonly pid: number; readonly inode: number };
  /** Below the container's groups; "" for themselves. */
  readonly subgroup: string;
  readonly preserved: number;
  readonly pidFile?: string | undefined;
  readonly consoleSocket?: string | undefined;
  /** Undefined: not waited for. */
  readonly wait?: Streams | undefined;
  /** Who started the command: the process ends with it. Not where a monitor holds it. */
  readonly owner?: Owner | undefined;
  /** `exec` of the engine. */
  readonly session?: Session | undefined;
}

/** What the engine's `exec` has of its own. Unless it is detached, the process ends with the command. */
export interface Session {
  readonly detached: boolean;
  /** Keys that leave it, where it has a terminal with input. */
  readonly keys: readonly number[];
  /** Without: its standard input is at its end. */
  readonly input: boolean;
  /** Name of its own group below the container's, on v2. */
  readonly group: string;
}

export interface ExecProcess {
  /** The stage's, in this order. */
  readonly claim: readonly Op[];
  readonly limits: readonly Op[];
  readonly namespaces: readonly Op[];
  /** What its caller is handed before the rest is let go. */
  readonly handing: readonly Op[];
  readonly kept: Kept;
  readonly own: OwnGroup | undefined;
  readonly self: Instruction;
  readonly told: PidText;
}

/** @param more descriptors that are kept behind the pipe of the start */
export function execProcess(
  input: ExecInput,
  facts: HostFacts,
  lock: Instruction,
  more: readonly Instruction[] = [],
): ExecProcess {
  const { config, session } = input;
  const { seccomp } = config.linux;
  const { final } = config.process.execCPUAffinity ?? {};
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const target = openTarget(input.target);
  const leaves = session?.detached === true;
  const own =
    session && (!leaves || config.process.terminal)
      ? ownGroup(facts, config.linux.cgroupsPath, session.group)
      : undefined;
  const groups = joinExisting(facts, config.linux.cgroupsPath, input.subgroup, own && session?.group);
  const told = readPid(procfs);
  const root = sys("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
  const seen = { call: "openat", object: "/", why: "The root file system of the container, entered with its mounts." };
  const terminal = config.process.terminal ? openTerminal(root, config.process, facts.arch, false) : undefined;
  const arrived = sys("getpid", []);
  const silent = session && !terminal && (leaves || !session.input) ? openNothing() : undefined;
  const body: Section[] = []; // filled in below: what the new process awaits uses the process
  const seenGroups =
    groups.into && hasNamespace(config, "cgroup")
      ? openCgroupNamespace(procfs, input.target.pid, target.pidfd)
      : undefined;
  const child = cloneInto(config, target.pidfd, groups, body, self);
  const handOver =
    terminal && input.consoleSocket !== undefined
      ? sendTerminal(input.consoleSocket, terminal, { done: arrived, peer: child.pidfd })
      : undefined;
  const wait = {
    call: "futex",
    object: "the terminal",
    why: "What it writes is lost if it ends before somebody has the terminal's other end.",
  };
  const free = {
    call: "prctl",
    object: "PR_SET_PDEATHSIG 0",
    why: "It lives as long as the container, not as long as the command.",
  };
  const ready = [
    ...(handOver ? [inside(wait, [arrived, awaits(handOver.sent, self)])] : []),
    ...(session && (!leaves || terminal) ? [] : [inside(free, [sys("prctl", [PR_SET_PDEATHSIG, 0, 0, 0, 0])])]),
  ];
  const resctrl = input.resctrl && joinResctrl(input.resctrl, child, self);
  const processOps = planProcess({
    config,
    facts,
    root,
    stage: self,
    procfs,
    terminal,
    init: false,
    seccomp: input.seccomp,
    softFiles: input.softFiles,
    manner: {
      preserved: input.preserved,
      existingDirectory: true,
      ...(silent ? { silent: leaves ? Array(3).fill(silent.nothing) : [silent.nothing] } : {}),
      ...(ready.length > 0 ? { ready } : {}),
    },
  });
  body.push(
    {
      phase: "Namespaces",
      ops: [
        dieWithParent(self),
        undumpable(),
        told.op,
        ...groups.join,
        ...(seenGroups ? [seenGroups.enter] : []),
        ...(resctrl ? [resctrl.inside] : []),
        ...(final === undefined ? [] : [inside(onCpus(final), [setAffinity(final, 0)])]),
        ...(hasNamespace(config, "user") ? [becomeRoot(undefined, self)] : []),
      ],
    },
    { phase: "Files inside", ops: [inside(seen, [root]), ...(terminal ? [terminal.op] : [])] },
    { phase: "Process", ops: processOps.ops },
  );
  const pipe = openPipe();
  const kept = letGo(lock, child, processOps.detached, terminal, [pipe.reads, ...more]);
  return {
    claim: [
      ...raiseSoftFiles(input.softFiles),
      procOp,
      selfOp,
      target.op,
      ...(seenGroups ? [seenGroups.op] : []),
      pipe.op,
      ...(silent ? [silent.op] : []),
    ],
    limits: [...(own ? [own.op] : []), ...groups.prepare],
    namespaces: [
      ...child.ops,
      ...setPriorities(config.process, { ...child, joined: groups.join.at(-1)?.does.at(-1) }, procfs),
      ...raiseRlimits(config.process, input.raisedLimits, child.pid),
      ...(resctrl ? [resctrl.outside] : []),
    ],
    handing: [
      ...(processOps.listener && listens(seccomp)
        ? [
            sendListener(seccomp, {
              installed: processOps.listener,
              process: child,
              state: stateFacts(input),
              status: "running",
              containerPid: input.target.pid,
            }),
          ]
        : []),
      ...(handOver ? [handOver.op] : []),
    ],
    kept,
    own,
    self,
    told,
  };
}

/** What a process that nobody speaks with has instead of streams. */
function openNothing(): { op: Op; nothing: Instruction } {
  const nothing = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
  const told = {
    call: "openat",
    object: "/dev/null",
    why: "Nothing is handed on to it, and nobody waits for what it says.",
  };
  return { op: onHost(told, [nothing]), nothing };
}

/** By its pidfd, whose inode tells it from a stranger that got the same pid. */
export function openTarget({ pid, inode }: ExecInput["target"]): { op: Op; pidfd: Instruction } {
  const pidfd = sys("pidfd_open", [pid, 0]);
  const described = out(256);
  const told = {
    call: "pidfd_open",
    object: `the container's process ${pid}`,
    why: "Its namespaces are the container's.",
  };
  const does = [
    pidfd,
    sys("statx", [pidfd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, described]),
    expect({ load: described, at: 32, width: 8 }, 0x7fffffffffffffffn, BigInt(inode), "ESRCH"),
  ];
  return { op: onHost(told, does), pidfd };
}

/**
 * Entered when the process is in its group: with the v2 tree mounted as systemd does (nsdelegate), whoever is in the namespace moves
 * nothing from outside of it into it, and so cannot have a child born in the container's group (cgroups(7)).
 */
function openCgroupNamespace(procfs: Instruction, pid: number, pidfd: Instruction): { op: Op; enter: Op } {
  const path = `${pid}/ns/cgroup`;
  const namespace = sys("openat", [procfs, path, O_RDONLY | O_CLOEXEC]);
  const told = {
    call: "openat",
    object: `the cgroup namespace of the container's process ${pid}`,
    why: "It is entered last: from within it, nobody can be born in a group that is seen from outside.",
  };
  // Behind that number there still is whom the pidfd means: it was so all the time.
  const does = [namespace, sys("pidfd_send_signal", [pidfd, 0, 0, 0])];
  return { op: onHost(told, does), enter: enterCgroupNamespace(namespace, `/proc/${path}`) };
}

/** All namespaces at once, as far as the container has them and they can be entered now: setns(2) with a pidfd. */
function cloneInto(
  config: Config,
  target: Instruction,
  groups: ReturnType<typeof joinExisting>,
  body: readonly Section[],
  self: Instruction,
): Child {
  const { initial } = config.process.execCPUAffinity ?? {};
  const entered = [...FLAGS, ["cgroup", CLONE_NEWCGROUP, "--cgroup"], ["time", CLONE_NEWTIME, "--time"]] as const;
  const own = entered.filter(([type]) => hasNamespace(config, type) && !(type === "cgroup" && groups.into));
  const flags = own.reduce((all, [, flag]) => all | flag, 0);
  const born = BigInt(CLONE_FILES | CLONE_PARENT) | (groups.into ? CLONE_INTO_CGROUP : 0n);
  const pid: Clone = { do: "clone", args: cloneArgs(born, 0, groups.into), body };
  const enter = {
    call: "setns",
    object: own.map(([type]) => type).join(", "),
    why: "From here on it sees what the container sees.",
    sh: `nsenter -t $PID ${own.map(([, , flag]) => flag.split(" ")[0]).join(" ")}`,
  };
  const told = {
    call: "clone3",
    object: "the new process",
    why: "Born in the container's namespaces, and a child of the stage all the same (CLONE_PARENT).",
  };
  const joiner: Clone = {
    do: "clone",
    args: cloneArgs(BigInt(CLONE_FILES), SIGCHLD, undefined),
    body: [
      {
        phase: "Namespaces",
        ops: [
          dieWithParent(self, onTheWay),
          undumpable(onTheWay),
          ...(initial === undefined ? [] : [onTheWay(onCpus(initial), [setAffinity(initial, 0)])]),
          onTheWay(enter, [sys("setns", [target, flags])]),
          onTheWay(told, [pid]),
        ],
      },
    ],
  };
  const joinerPidfd = sys("pidfd_open", [joiner, 0]);
  const pidfd = sys("pidfd_open", [pid, 0]);
  const start = {
    call: "clone3",
    object: "a process that enters the container",
    why: "It enters the namespaces, starts the new process there, and ends: nothing of the host stays behind in there.",
  };
  const take = {
    call: "pidfd_open",
    object: "the new process",
    why: "By this it is waited for, and told from strangers.",
  };
  return {
    ops: [
      onHost(start, [joiner, joinerPidfd]),
      onHost(take, [awaits(pid, joinerPidfd), pidfd, sys("wait4", [joiner, 0, WALL, 0])]),
    ],
    pid,
    pidfd,
  };
}

function onCpus(list: string) {
  const why = "Asked for: the CPUs it runs on.";
  return { call: "sched_setaffinity", object: `CPUs ${list}`, why, sh: `taskset -c -p ${list} $$` };
}
