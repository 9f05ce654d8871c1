/** The container's process and its namespaces. See clone(2), user_namespaces(7), pid_namespaces(7). */
import {
  CLONE_FILES,
  CLONE_INTO_CGROUP,
  CLONE_NEWTIME,
  CLONE_PARENT,
  F_DUPFD_CLOEXEC,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  PR_SET_DUMPABLE,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SIGKILL,
  WALL,
} from "../linux/constants.ts";
import { type Config, hasNewNamespace, type IdMapping, type Linux, type NamespaceType } from "../spec/config.ts";
import { newFilesystem } from "./filesystem.ts";
import { awaits, expect, struct, sys, text, u64, withPid } from "./instructions.ts";
import { enterNamespaces, FLAGS } from "./join.ts";
import { inside, onHost, onTheWay, quote } from "./op.ts";
import type { Clone, Data, Instruction, Op, Section, Undo } from "./plan.ts";

/** A private procfs: writes to /proc must not go through a mount that somebody else could have put there. */
export function ownProcfs(): { op: Op; procfs: Instruction } {
  const { does, mount } = newFilesystem("proc", "proc", [], 0);
  const told = {
    call: "fsmount",
    object: "a private procfs",
    why: "The id maps are written through a procfs that nobody else can reach or cover.",
  };
  return { op: onHost(told, does), procfs: mount };
}

/** The stage's own pidfd: the child watches it, so that it never waits for a parent that is gone. */
/** More than a plan with many mounts needs; the last one below the lowest limit in use. */
const LAST_DESCRIPTOR = 255;

export function ownPidfd(by: typeof onHost = onHost): { op: Op; pidfd: Instruction } {
  const pid = sys("getpid", []);
  const pidfd = sys("pidfd_open", [pid, 0]);
  // A table of descriptors that two processes share grows slowly (expand_fdtable() in the kernel waits for all CPUs, 10 to 20 ms): while
  // it is still this process's alone, it is made as large as it will have to be, if the limit allows.
  const last = sys("fcntl", [pidfd, F_DUPFD_CLOEXEC, LAST_DESCRIPTOR], { ok: ["EINVAL", "EMFILE"] });
  const room = [last, sys("close", [last], { ok: ["EBADF"] })];
  const told = {
    call: "pidfd_open",
    object: "the stage itself",
    why: "The container's process can see through this whether the stage still lives.",
  };
  return { op: by(told, [pid, pidfd, ...(by === onHost ? room : [])]), pidfd };
}

export interface Child {
  readonly ops: readonly Op[];
  readonly pid: Instruction;
  readonly pidfd: Instruction;
}

export interface CloneInput {
  readonly config: Config;
  /** Descriptor of the v2 group to be born in. */
  readonly into: Instruction | undefined;
  /** Its directory. */
  readonly group: string | undefined;
  readonly body: readonly Section[];
  /** Ends whatever still runs of the container, for a run that was killed. */
  readonly endLeftovers: readonly Instruction[];
  /** The command that does the same. */
  readonly endSh: string;
  /** The stage's own pidfd. */
  readonly stage: Instruction;
  /** Descriptors of the namespaces to join. */
  readonly joined: ReadonlyMap<NamespaceType, Instruction>;
}

export function cloneChild(input: CloneInput): Child {
  const { config, into, body, endLeftovers } = input;
  const entered = FLAGS.filter(([type]) => input.joined.has(type));
  const made = FLAGS.filter(([type]) => hasNewNamespace(config, type));
  const flags = made.reduce(
    (all, [, flag]) => all + BigInt(flag),
    BigInt(CLONE_FILES) + (into ? CLONE_INTO_CGROUP : 0n),
  );
  const first = entered.length === 0;
  const args = cloneArgs(first ? flags : flags | BigInt(CLONE_PARENT), first ? SIGCHLD : 0, into);
  const pid: Clone = { do: "clone", args, body };
  const pidfd = sys("pidfd_open", [pid, 0]);
  const told = {
    call: "clone3",
    object: `a process with its own ${made.map(([type]) => type).join(", ")}`,
    why: "The process that becomes the container's first one, in namespaces of its own: what it cannot name it cannot touch.",
    sh: `unshare ${made.map(([, , flag]) => flag).join(" ")}${input.group ? `\necho $PID > ${input.group}/cgroup.procs` : ""}`,
  };
  const end: Undo | undefined =
    endLeftovers.length > 0
      ? { call: "write", object: "1 to cgroup.kill", sh: input.endSh, does: endLeftovers }
      : undefined;
  const undo = end ? { undo: end } : {};
  if (first) return { ops: [onHost({ ...told, ...undo }, [pid, pidfd])], pid, pidfd };

  // Namespaces are entered by a process that makes the container's one and ends: whoever has entered a user namespace has
  // no rights outside any more, and a PID namespace is only entered by children (setns(2)).
  const guarded = [dieWithParent(input.stage, onTheWay), undumpable(onTheWay)];
  const joiner: Clone = {
    do: "clone",
    args: cloneArgs(BigInt(CLONE_FILES), SIGCHLD, undefined),
    body: [
      {
        phase: "Namespaces",
        ops: [...guarded, enterNamespaces(entered, input.joined, config), onTheWay(told, [pid])],
      },
    ],
  };
  const joinerPidfd = sys("pidfd_open", [joiner, 0]);
  const names = entered.map(([type]) => type).join(", ");
  const start = {
    call: "clone3",
    object: `a process that joins namespaces: ${names}`,
    why: "It enters what others have made, starts the container's process there, and ends.",
    ...undo,
  };
  const take = {
    call: "pidfd_open",
    object: "the container's process",
    why: "Born in the joined namespaces, and still a child of the stage (CLONE_PARENT).",
  };
  const taken = [awaits(pid, joinerPidfd), pidfd, sys("wait4", [joiner, 0, WALL, 0])];
  return { ops: [onHost(start, [joiner, joinerPidfd]), onHost(take, taken)], pid, pidfd };
}

/** struct clone_args, version 2: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup */
export function cloneArgs(flags: bigint, exitSignal: number, cgroup: Instruction | undefined): Data {
  return struct([flags, 0, 0, 0, exitSignal, 0, 0, 0, 0, 0, cgroup ?? 0].map((value) => u64(value)));
}

/** uid_map and gid_map of the child, and its user namespace's descriptor. */
export function writeIdMaps(
  child: Child,
  procfs: Instruction,
  uids: readonly IdMapping[],
  gids: readonly IdMapping[],
): { op: Op; user: Instruction; done: Instruction } {
  const maps = (
    [
      ["uid_map", uids],
      ["gid_map", gids],
    ] as const
  ).flatMap(([file, mapping]) => {
    const value = text(mapLines(mapping));
    const fd = sys("openat", [procfs, withPid("", child.pid, `/${file}`), O_WRONLY | O_CLOEXEC]);
    return [fd, sys("write", [fd, value, value.bytes.length]), sys("close", [fd])];
  });
  const user = sys("openat", [procfs, withPid("", child.pid, "/ns/user"), O_RDONLY | O_CLOEXEC]);
  const line = mapLines(uids).trim();
  const told = {
    call: "write",
    object: `uid_map and gid_map "${line}"`,
    why: "Root inside is an ordinary, unused id outside: what breaks out has no rights on the host.",
    sh: `echo ${quote(line)} > /proc/$PID/uid_map; echo ${quote(mapLines(gids).trim())} > /proc/$PID/gid_map`,
  };
  return { op: onHost(told, [...maps, user]), user, done: user };
}

/** As the kernel reads them. */
export function mapLines(mapping: readonly IdMapping[]): string {
  return mapping.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");
}

/** Ends this process when the stage ends; set again after every change of credentials, which clears it (prctl(2)). */
export function dieWithParent(parent: Instruction, by: typeof inside = inside): Op {
  const watch = struct([
    { width: 4, value: parent },
    { width: 2, value: 1 },
    { width: 2, value: 0 },
  ]); // struct pollfd, POLLIN
  const now = struct([u64(0), u64(0)]);
  const gone = sys("ppoll", [watch, 1, now, 0, 8]);
  const told = {
    call: "prctl",
    object: "PR_SET_PDEATHSIG SIGKILL",
    why: "If the stage is killed, the kernel ends the container with it: nothing is left running.",
    sh: "setpriv --pdeathsig KILL",
  };
  return by(told, [
    sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]),
    gone, // it may have died before
    expect(gone, 0xffffffffn, 0n, "ESRCH"),
  ]);
}

/**
 * Whoever shares a PID namespace with this process must not look into it (CVE-2016-9962). A child inherits it, for in a
 * joined namespace it is seen from its first moment on; execve(2) ends it.
 */
export function undumpable(by: typeof inside = inside): Op {
  const told = {
    call: "prctl",
    object: "PR_SET_DUMPABLE 0",
    why: "Nobody may trace this process, read its memory or take its descriptors before it is the container's program.",
  };
  return by(told, [sys("prctl", [PR_SET_DUMPABLE, 0, 0, 0, 0])]);
}

export function privateMounts(by: typeof inside = inside): Op {
  const told = {
    call: "mount",
    object: "/ recursively private",
    why: "No mount made in here is seen outside, and none made outside arrives in here.",
    sh: "mount --make-rprivate /",
  };
  return by(told, [sys("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0])]);
}

/** Becomes the user namespace's root, when its ids are mapped (those of a joined one are). */
export function becomeRoot(mapped: Instruction | undefined, parent: Instruction): Op {
  const told = {
    call: "setresuid",
    object: "0 of the user namespace",
    why: "Until its ids are mapped the process is nobody; now it is root of its own namespace only.",
    sh: "setpriv --reuid 0 --regid 0 --clear-groups",
  };
  return inside(told, [
    ...(mapped ? [awaits(mapped, parent)] : []),
    sys("setgroups", [0, 0]),
    sys("setresgid", [0, 0, 0]),
    sys("setresuid", [0, 0, 0]),
    sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]), // the change of ids has cleared it
  ]);
}

export function setHostname(name: string): Op {
  const value = text(name);
  const told = {
    call: "sethostname",
    object: name,
    why: "A name of its own in a UTS namespace of its own; the host keeps its name.",
    sh: `hostname ${quote(name)}`,
  };
  return inside(told, [sys("sethostname", [value, value.bytes.length])]);
}

export function setDomainname(name: string): Op {
  const value = text(name);
  const told = {
    call: "setdomainname",
    object: name,
    why: "The NIS domain of its own UTS namespace.",
    sh: `domainname ${quote(name)}`,
  };
  return inside(told, [sys("setdomainname", [value, value.bytes.length])]);
}

/** Clocks that run ahead of the host's or behind them. unshare(2) is for children only, and execve(2) enters since Linux 6.3 only. */
export function ownClocks(
  offsets: NonNullable<Linux["timeOffsets"]>,
  child: Child,
  procfs: Instruction,
  stage: Instruction,
): { inside: Op[]; outside: Op } {
  const lines = Object.entries(offsets).map(([clock, { secs, nanosecs }]) => `${clock} ${secs} ${nanosecs}\n`);
  const value = text(lines.join(""));
  const unshared = sys("unshare", [CLONE_NEWTIME]);
  const file = sys("openat", [procfs, withPid("", child.pid, "/timens_offsets"), O_WRONLY | O_CLOEXEC]);
  const namespace = sys("openat", [procfs, withPid("", child.pid, "/ns/time_for_children"), O_RDONLY | O_CLOEXEC]);
  const make = {
    call: "unshare",
    object: "the time namespace",
    why: "Asked for: other clocks since boot than the host's; the time of day is the same.",
    sh: `unshare --time ${Object.entries(offsets)
      .map(([clock, { secs }]) => `--${clock} ${secs}`)
      .join(" ")}`,
  };
  const set = {
    call: "write",
    object: `${lines.join("").trim().replaceAll("\n", ", ")} to timens_offsets`,
    why: "Seconds that its clocks are ahead; only as long as nobody is in there yet.",
  };
  const write = [
    awaits(unshared, child.pidfd),
    file,
    sys("write", [file, value, value.bytes.length]),
    sys("close", [file]),
    namespace,
  ];
  const enter = {
    call: "setns",
    object: "the time namespace",
    why: "Its clocks are set now, and stay as they are as soon as somebody is in there.",
    sh: "nsenter --time=/proc/self/ns/time_for_children",
  };
  const entered = [awaits(namespace, stage), sys("setns", [namespace, CLONE_NEWTIME])];
  return { inside: [inside(make, [unshared]), inside(enter, entered)], outside: onHost(set, write) };
}
