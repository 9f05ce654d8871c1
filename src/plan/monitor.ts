/** A container that goes on without the command that started it: a monitor, its parent, holds its terminal or pipes. */

import type { Arch } from "../linux/arch.ts";
import {
  AF_UNIX,
  AT_FDCWD,
  AT_REMOVEDIR,
  CLONE_INTO_CGROUP,
  F_SETFL,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_TRUNC,
  O_WRONLY,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SOCK_NONBLOCK,
  SOCK_STREAM_CLOEXEC,
} from "../linux/constants.ts";
import { alt, expect, out, sys, text } from "./instructions.ts";
import { KEPT_LOCK, KEPT_MORE, type Kept } from "./life.ts";
import { cloneArgs, dieWithParent } from "./namespaces.ts";
import { byCaller, onHost, quote } from "./op.ts";
import type { Clone, Data, Instruction, LogLimits, Op, Out, Section } from "./plan.ts";

export interface Monitoring {
  /** The command prints the id and ends; else it is the first client. */
  readonly detached: boolean;
  /** Standard input is the monitor's, and stays open, for whoever attaches. */
  readonly input: boolean;
  /** Without `input`: standard input is the caller's own. */
  readonly callers: boolean;
  /** The end of a client's standard input is that of the container's. */
  readonly once: boolean;
  /** What the command does not show. */
  readonly unseen: readonly ("output" | "error")[];
  /** Keys that leave it. */
  readonly keys: readonly number[];
  /** The command hands its signals on. */
  readonly signals: boolean;
  /** How much is kept of what it writes; undefined: nothing. */
  readonly log?: LogLimits | undefined;
}

/** Files of a monitored run beside its plan: the socket, and who the monitor is (as in /proc/PID/stat). */
export const SOCKET = "attach";
export const MONITOR = "monitor";
export const MONITOR_FILES: readonly string[] = [SOCKET, MONITOR, `${MONITOR}.new`];

/** Instructions whose results letGo keeps for it, from KEPT_MORE on. The pipe of the start is the first. */
export interface Holdings {
  readonly start: Instruction;
  readonly connection?: Instruction | undefined;
  readonly pipes?: Pipes | undefined;
  readonly log?: Instruction | undefined;
}

export function holdingsKept({ start, connection, pipes, log }: Holdings): Instruction[] {
  const { input, output, error } = pipes?.outer ?? {};
  return [start, connection, input, output, error, log].filter((i) => i !== undefined);
}

export interface Pair {
  readonly op: Op;
  readonly ours: Instruction;
  readonly monitors: Instruction;
}

/** Connected before there is a container: nothing that it writes comes too early. */
export function connectMonitor(): Pair {
  const ends = out(8);
  const ours = descriptor(ends, 0);
  const monitors = descriptor(ends, 1);
  const told = {
    call: "socketpair",
    object: "the command and the monitor",
    why: "Over it go keys, output and signals, as with everybody who attaches later.",
  };
  const make = sys("socketpair", [AF_UNIX, SOCK_STREAM_CLOEXEC | SOCK_NONBLOCK, 0, ends]);
  return { op: byCaller(told, [make, ours, monitors]), ours, monitors };
}

/** A descriptor that the kernel wrote into the report. */
function descriptor(from: Out, at: 0 | 1): Instruction {
  return expect({ load: from, at: at * 4, width: 4 }, 0n, 0n, "EIO");
}

/** @param body is filled in later: what the monitor does @param into descriptor of the v2 group that it is born in */
export function cloneMonitor(
  directory: string,
  body: readonly Section[],
  lock: Instruction,
  pair: Pair | undefined,
  into?: Instruction,
): { op: Op; pidfd: Instruction } {
  const args = cloneArgs(into ? CLONE_INTO_CGROUP : 0n, SIGCHLD, into);
  const pid: Clone = { do: "clone", args, body };
  const pidfd = sys("pidfd_open", [pid, 0]);
  const told = {
    call: "clone3",
    object: "the monitor",
    why: "The container's parent and the keeper of its terminal or pipes: it goes on when this command has ended.",
  };
  // The lock is the monitor's; the report is needed here too, if something fails when the plan has gone.
  const plan = sys("openat", [AT_FDCWD, `${directory}/plan`, O_RDWR | O_CLOEXEC]);
  const leave = [lock, ...(pair ? [pair.monitors] : []), ...(into ? [into] : [])].map((fd) => sys("close", [fd]));
  return {
    op: byCaller(told, [
      pid,
      pidfd,
      ...leave,
      alt([plan, sys("dup3", [plan, KEPT_LOCK, O_CLOEXEC]), sys("close", [plan])], []),
    ]),
    pidfd,
  };
}

/** Until the container runs, the monitor ends with the command; a failure is told by the command. */
export function beginMonitor(command: Instruction, pair: Pair | undefined): Op[] {
  const told = {
    call: "setsid",
    object: "a session of the monitor's own",
    why: "No terminal's keys or hang-up reach it, and no logout ends it with the session.",
  };
  return [endWithCommand(command), onHost(told, [sys("setsid", []), ...(pair ? [sys("close", [pair.ours])] : [])])];
}

/** To be said again when ids were changed: the kernel forgets it then (prctl(2), PR_SET_PDEATHSIG). */
export function endWithCommand(command: Instruction): Op {
  const { sh: _, ...tied } = dieWithParent(command, onHost);
  return { ...tied, why: "If the command ends before the container runs, all of it ends." };
}

export interface Pipes {
  readonly op: Op;
  /** The container's ends: 0, 1, 2; undefined: the caller's own. */
  readonly inner: readonly (Instruction | undefined)[];
  readonly outer: { readonly input?: Instruction; readonly output: Instruction; readonly error: Instruction };
}

/** @param input "ended" from the beginning; or "callers" own */
export function openPipes(input: "open" | "ended" | "callers"): Pipes {
  const does: Instruction[] = [];
  const inner: (Instruction | undefined)[] = [];
  const outer: Instruction[] = [];
  for (const fd of [0, 1, 2]) {
    if (fd === 0 && input !== "open") {
      const nothing = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
      if (input === "ended") does.push(nothing);
      inner.push(input === "ended" ? nothing : undefined);
      continue;
    }
    const ends = out(8);
    const reads = descriptor(ends, 0);
    const writes = descriptor(ends, 1);
    const [theirs, monitors] = fd === 0 ? [reads, writes] : [writes, reads];
    // Whoever is the user inside may open /dev/stdout again; a pipe is reached through its holders only.
    does.push(sys("pipe2", [ends, O_CLOEXEC]), reads, writes, sys("fchmod", [theirs, 0o666]));
    inner.push(theirs);
    does.push(sys("fcntl", [monitors, F_SETFL, (fd === 0 ? O_WRONLY : 0) | O_NONBLOCK]));
    outer.push(monitors);
  }
  const told = {
    call: "pipe2",
    object: "the container's standard streams",
    why: "The monitor holds the other ends: it reads what is written whether somebody is attached or not, so that nothing ever waits.",
  };
  const [error, output, typed] = outer.reverse() as [Instruction, Instruction, Instruction?];
  return { op: onHost(told, does), inner, outer: { ...(typed ? { input: typed } : {}), output, error } };
}

/** Where what the container writes is kept. @param directory the container's own @param release it goes at the end */
export function openLog(directory: string, arch: Arch, release: boolean): { op: Op; log: Instruction } {
  const path = `${directory}/${LOG_DIRECTORY}`;
  const made = sys("mkdirat", [AT_FDCWD, path, 0o700], { ok: ["EEXIST"] });
  const above = directory.slice(0, directory.lastIndexOf("/"));
  const log = sys("openat", [AT_FDCWD, path, O_RDONLY | O_DIRECTORY(arch) | O_CLOEXEC]);
  const undo = {
    of: made,
    call: "unlinkat",
    object: path,
    sh: `rm -rf ${quote(path)}`,
    does: [
      { do: "walk", mode: "remove", dir: AT_FDCWD, path, ok: ["ENOENT"] } as const,
      // What else is in there has its own undo.
      sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT", "ENOTEMPTY", "EEXIST"] }),
    ],
  };
  const told = {
    call: "mkdirat",
    object: path,
    why: "What the container writes is kept here, in files that are replaced when they are full.",
    sh: `mkdir -p ${quote(path)}`,
  };
  const does = [
    sys("mkdirat", [AT_FDCWD, above, 0o700], { ok: ["EEXIST"] }),
    sys("mkdirat", [AT_FDCWD, directory, 0o700], { ok: ["EEXIST"] }),
    made,
    log,
  ];
  return { op: onHost(release ? { ...told, undo } : told, does), log };
}

export const LOG_DIRECTORY = "log";

/** The way in for `vitrine attach` and others. A socket's address is short: it is made from within the directory. */
function openDoor(directory: string): { op: Op; door: Instruction } {
  const door = sys("socket", [AF_UNIX, SOCK_STREAM_CLOEXEC | SOCK_NONBLOCK, 0]);
  const address = socketAddress();
  const told = {
    call: "listen",
    object: `${directory}/${SOCKET}`,
    why: "Who attaches, stops or waits for the container comes this way; the directory is root's alone.",
  };
  const does = [
    sys("chdir", [directory]),
    door,
    sys("bind", [door, address, address.bytes.length]),
    sys("listen", [door, 16]),
    sys("chdir", ["/"]),
  ];
  return { op: onHost(told, does), door };
}

/** struct sockaddr_un of the socket, from within the run's directory. */
export function socketAddress(): Data {
  return { kind: "data", bytes: new Uint8Array([AF_UNIX, 0, ...new TextEncoder().encode(SOCKET), 0]), links: [] };
}

/** From here on the run is the monitor's, and no command's. */
export function standAlone(directory: string, detached: boolean): { op: Op; alone: Instruction } {
  const stat = out(512);
  const own = sys("openat", [AT_FDCWD, "/proc/self/stat", O_CLOEXEC]);
  const length = sys("read", [own, stat, stat.size]);
  const half = `${directory}/${MONITOR}.new`;
  const file = sys("openat", [AT_FDCWD, half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600]);
  const nothing = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR]);
  const alone = sys("prctl", [PR_SET_PDEATHSIG, 0, 0, 0, 0]);
  const told = {
    call: "prctl",
    object: "PR_SET_PDEATHSIG 0",
    why: "The container runs. Who holds it is written down, and the command may end; its standard error is kept while it is there.",
  };
  const does = [
    own,
    length,
    sys("close", [own]),
    file,
    sys("write", [file, stat, length]),
    sys("close", [file]),
    sys("renameat2", [AT_FDCWD, half, AT_FDCWD, `${directory}/${MONITOR}`, 0]),
    nothing,
    ...(detached ? [0, 1, 2] : [0, 1]).map((fd) => sys("dup3", [nothing, fd, 0])),
    sys("close", [nothing]),
    alone,
  ];
  return { op: onHost(told, does), alone };
}

/** The monitor's service. @returns `alone`: done when the command is not needed any more */
export function serveMonitor(
  directory: string,
  { pidfd, master }: Kept,
  { detached, log: limits }: Monitoring,
  holdings: Holdings,
  timeoutMs: number,
): { ops: Op[]; status: Instruction; alone: Instruction } {
  const door = openDoor(directory);
  const { op, alone } = standAlone(directory, detached);
  const all = holdingsKept(holdings);
  const at = (instruction: Instruction | undefined) => (instruction ? KEPT_MORE + all.indexOf(instruction) : -1);
  const { connection, pipes, log } = holdings;
  const { input, output, error } = pipes?.outer ?? {};
  const streams = { input: at(input), output: at(output), error: at(error) };
  const status: Instruction = {
    do: "serve",
    mode: "monitor",
    pidfd,
    master,
    timeoutMs,
    door: door.door,
    ...(connection ? { connection: at(connection) } : {}),
    held: log && limits ? { ...streams, log: { directory: at(log), ...limits } } : streams,
  };
  const told = {
    call: "waitid",
    object: "the container",
    why: "Output goes to the log and to whoever is attached, what they type and their signals to the container.",
    sh: `wait $PID ${timeoutMs > 0 ? `${timeoutMs / 1000} ` : ""}|| STATUS=$?`,
  };
  return { ops: [door.op, op, onHost(told, [status])], status, alone };
}

export function printId(id: string): Op {
  const line = text(`${id}\n`);
  const told = { call: "write", object: "the container's id", why: "The container runs, and goes on by itself." };
  // Whether somebody reads it or not.
  return byCaller(told, [{ do: "alt", first: [sys("write", [1, line, line.bytes.length])], other: [] }]);
}
