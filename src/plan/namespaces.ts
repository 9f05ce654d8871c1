/** The container's process and its namespaces. See clone(2), user_namespaces(7), pid_namespaces(7). */
import {
  CLONE_FILES,
  CLONE_INTO_CGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  MS_PRIVATE,
  MS_REC,
  O_CLOEXEC,
  O_RDONLY,
  O_WRONLY,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SIGKILL,
} from "../linux/constants.ts";
import { type Config, hasNamespace, type IdMapping, type NamespaceType } from "../spec/config.ts";
import { newFilesystem } from "./filesystem.ts";
import { awaits, expect, struct, sys, text, u64, withPid } from "./instructions.ts";
import { inside, onHost, quote } from "./op.ts";
import type { Clone, Instruction, Op, Section } from "./plan.ts";

/** Namespaces that the new process is made in. The cgroup namespace follows after the groups are joined. */
const FLAGS: readonly [NamespaceType, number, string][] = [
  ["mount", CLONE_NEWNS, "--mount"],
  ["pid", CLONE_NEWPID, "--pid --fork"],
  ["network", CLONE_NEWNET, "--net"],
  ["ipc", CLONE_NEWIPC, "--ipc"],
  ["uts", CLONE_NEWUTS, "--uts"],
  ["user", CLONE_NEWUSER, "--user"],
];

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
export function ownPidfd(): { op: Op; pidfd: Instruction } {
  const pid = sys("getpid", []);
  const pidfd = sys("pidfd_open", [pid, 0]);
  const told = {
    call: "pidfd_open",
    object: "the stage itself",
    why: "The container's process can see through this whether the stage still lives.",
  };
  return { op: onHost(told, [pid, pidfd]), pidfd };
}

export interface Child {
  readonly op: Op;
  readonly pid: Instruction;
  readonly pidfd: Instruction;
}

export function cloneChild(
  config: Config,
  into: Instruction | undefined,
  body: readonly Section[],
  endLeftovers: readonly Instruction[],
): Child {
  const own = FLAGS.filter(([type]) => hasNamespace(config, type));
  const flags = own.reduce(
    (all, [, flag]) => all + BigInt(flag),
    BigInt(CLONE_FILES) + (into ? CLONE_INTO_CGROUP : 0n),
  );
  // struct clone_args, version 2: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup
  const args = struct([flags, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, into ?? 0].map((value) => u64(value)));
  const pid: Clone = { do: "clone", args, body };
  const pidfd = sys("pidfd_open", [pid, 0]);
  const told = {
    call: "clone3",
    object: `a process with its own ${own.map(([type]) => type).join(", ")}`,
    why: "The process that becomes the container's first one, in namespaces of its own: what it cannot name it cannot touch.",
    sh: `unshare ${own.map(([, , flag]) => flag).join(" ")}`,
  };
  const undo = { call: "write", object: "1 to cgroup.kill", does: endLeftovers };
  return { op: onHost(endLeftovers.length > 0 ? { ...told, undo } : told, [pid, pidfd]), pid, pidfd };
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

function mapLines(mapping: readonly IdMapping[]): string {
  return mapping.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");
}

/** Ends this process when the stage ends; set again after every change of credentials, which clears it (prctl(2)). */
export function dieWithParent(parent: Instruction): Op {
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
  return inside(told, [
    sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]),
    gone, // it may have died before
    expect(gone, 0xffffffffn, 0n, "ESRCH"),
  ]);
}

export function privateMounts(): Op {
  const told = {
    call: "mount",
    object: "/ recursively private",
    why: "No mount made in here is seen outside, and none made outside arrives in here.",
    sh: "mount --make-rprivate /",
  };
  return inside(told, [sys("mount", ["none", "/", 0, MS_REC | MS_PRIVATE, 0])]);
}

/** Waits for the id maps, then becomes the user namespace's root. */
export function becomeRoot(mapped: Instruction, parent: Instruction): Op {
  const told = {
    call: "setresuid",
    object: "0 of the user namespace",
    why: "Until its ids are mapped the process is nobody; now it is root of its own namespace only.",
    sh: "setpriv --reuid 0 --regid 0 --clear-groups",
  };
  return inside(told, [
    awaits(mapped, parent),
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
