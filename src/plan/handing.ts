/** What the caller of an OCI runtime is handed: the pid, in a file; the terminal, over a socket. */
import { AT_FDCWD, F_SETFL, O_CLOEXEC, O_CREAT, O_RDWR, O_TRUNC, O_WRONLY } from "../linux/constants.ts";
import type { PidText } from "./created.ts";
import { awaits, out, sys } from "./instructions.ts";
import { inside, onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";
import type { Terminal } from "./terminal.ts";
import { connectUnix, sendDescriptor } from "./unixsocket.ts";

/** A pid as the host writes it: what "self" of the stage's procfs leads to, read by the process itself. */
export function readPid(procfs: Instruction): PidText {
  const digits = out(16);
  const length = sys("readlinkat", [procfs, "self", digits, digits.size]);
  const told = {
    call: "readlinkat",
    object: "self",
    why: "How the host calls this process: for the pid file and the state.",
  };
  return { op: inside(told, [length]), digits, length };
}

/** See runc's terminals.md: whoever listens there is handed the terminal's other end. */
/** @param opened when the terminal is there, where that is not known yet */
export function sendTerminal(
  path: string,
  terminal: Terminal,
  opened?: { done: Instruction; peer: Instruction },
): { op: Op; sent: Instruction } {
  const { does, socket } = connectUnix(path);
  const told = {
    call: "sendmsg",
    object: `the terminal to ${path}`,
    why: "Whoever called for the container keeps the other end of its terminal.",
  };
  const first = opened ? [awaits(opened.done, opened.peer)] : [];
  const sent = sendDescriptor(socket, terminal.master, "/dev/ptmx");
  // Opened so that reading does not block, which is for the stage alone to rely on.
  const blocking = sys("fcntl", [terminal.master, F_SETFL, O_RDWR]);
  return { op: onHost(told, [...first, blocking, ...does, sent, sys("close", [socket])]), sent };
}

/** Whole or not at all: whoever looks for it never reads half a number. */
export function writePidFile(path: string, pid: PidText): Op {
  const half = `${path}.new`;
  const file = sys("openat", [AT_FDCWD, half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644]);
  const told = { call: "write", object: `the pid to ${path}`, why: "Asked for.", sh: `echo -n $PID > ${quote(path)}` };
  return onHost(told, [
    file,
    sys("write", [file, pid.digits, pid.length]),
    sys("close", [file]),
    sys("renameat2", [AT_FDCWD, half, AT_FDCWD, path, 0]),
  ]);
}
