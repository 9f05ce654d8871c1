/** A pseudo terminal of the container's own, and care for the caller's. See pty(7), ioctl_tty(2). */
import type { Arch } from "../linux/arch.ts";
import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDWR,
  O_WRONLY,
  SIGCHLD,
  SIGKILL,
  TCGETS,
  TCSETS,
  TIOCGPTPEER,
  TIOCGWINSZ,
  TIOCSCTTY,
  TIOCSPTLCK,
  TIOCSWINSZ,
  WALL,
} from "../linux/constants.ts";
import type { Process } from "../spec/config.ts";
import { isDevice } from "./devices.ts";
import { attach, cloneMount } from "./filesystem.ts";
import { expect, out, struct, sys, u16, u32, u64, unless } from "./instructions.ts";
import { inside, onHost } from "./op.ts";
import { openInRoot } from "./paths.ts";
import type { Clone, Instruction, Op } from "./plan.ts";

export interface Terminal {
  readonly op: Op;
  /** The stage's end. */
  readonly master: Instruction;
  /** The container's end. */
  readonly slave: Instruction;
}

/** @param console it is also /dev/console, which is made anew */
export function openTerminal(root: Instruction, process: Process, arch: Arch, console = true): Terminal {
  const master = openInRoot(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK, true);
  const slave = sys("ioctl", [master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC]);
  // The caller's window; of no importance if standard output is none.
  const window = out(8);
  const { consoleSize } = process;
  const sized = consoleSize
    ? sys("ioctl", [master, TIOCSWINSZ, struct([consoleSize.height, consoleSize.width, 0, 0].map(u16))])
    : unless(
        ["ENOTTY", "EBADF", "ENODEV", "EINVAL"],
        [sys("ioctl", [1, TIOCGWINSZ, window]), sys("ioctl", [master, TIOCSWINSZ, window])],
      );
  const dev = openInRoot(root, "/dev", O_PATH | O_DIRECTORY(arch), true);
  const file = sys("openat", [dev, "console", O_CREAT | O_WRONLY | O_NOFOLLOW(arch) | O_CLOEXEC, 0o600]);
  const node = openInRoot(root, "/dev/console", O_PATH | O_NOFOLLOW(arch), true);
  // By descriptor: a name below /dev/pts could be made to lead elsewhere (CVE-2025-52565).
  const tree = cloneMount("", { at: slave });
  const told = {
    call: "openat",
    object: "/dev/pts/ptmx",
    why: "A terminal of its own: the caller's is out of reach, and no key can be typed into it from inside.",
  };
  const does = [
    master,
    ...isDevice(master, 5, 2),
    sys("ioctl", [master, TIOCSPTLCK, struct([u32(0)])]),
    slave,
    sys("fchown", [slave, process.user.uid, -1]),
    sized,
    ...(console ? [dev, file, sys("close", [file]), node, tree, attach(tree, node)] : []),
  ];
  return { op: inside(told, does), master, slave };
}

/** After setsid(2): the terminal becomes the session's. */
export function controlTerminal(slave: Instruction): Instruction {
  return sys("ioctl", [slave, TIOCSCTTY, 0]);
}

/** Once descriptors are the process's own. */
export function standardStreams(slave: Instruction): Op {
  const told = {
    call: "dup3",
    object: "the terminal as 0, 1 and 2",
    why: "Standard streams are the container's terminal; the stage copies between it and the caller's streams.",
  };
  return inside(
    told,
    [0, 1, 2].map((fd) => sys("dup3", [slave, fd, 0])),
  );
}

/**
 * A process that waits for the stage to be killed, and then gives the caller's terminal its mode back. It leaves a mode
 * alone that somebody else has set since: only one without echo, line editing and output processing is the stage's.
 */
export function guardTerminal(
  stage: Instruction,
  lock: Instruction,
  by: typeof onHost = onHost,
): { op: Op; guardian: Instruction } {
  const saved = out(64);
  const now = out(64);
  const raw = { load: now, width: 4 } as const;
  const watch = struct([
    { width: 4, value: stage },
    { width: 2, value: 1 },
    { width: 2, value: 0 },
  ]); // struct pollfd
  const restore = unless(
    ["ESTALE", "EIO", "ENOTTY"],
    [
      sys("ioctl", [0, TCGETS, now]),
      expect({ ...raw, at: 4 }, 0o1n, 0n, "ESTALE"), // c_oflag: OPOST
      expect({ ...raw, at: 12 }, 0o12n, 0n, "ESTALE"), // c_lflag: ICANON, ECHO
      sys("ioctl", [0, TCSETS, saved]),
    ],
  );
  const waiting = {
    call: "ppoll",
    object: "the stage itself",
    why: "If it is killed, nobody else would give the caller's terminal its normal mode back.",
  };
  const body = onHost(waiting, [sys("close", [lock]), sys("ppoll", [watch, 1, 0, 0, 8]), restore]);
  const args = struct([0, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0].map((value) => u64(value)));
  const guardian: Clone = { do: "clone", args, body: [{ phase: "Claim", ops: [{ ...body, where: "guardian" }] }] };
  const told = {
    call: "clone3",
    object: "a guardian of the caller's terminal",
    why: "The terminal is put into raw mode, and must come back from it whatever happens.",
  };
  return { op: by(told, [sys("ioctl", [0, TCGETS, saved]), guardian]), guardian };
}

/** The stage has given the terminal its mode back. */
export function dismissGuardian(guardian: Instruction, by: typeof onHost = onHost): Op {
  const told = { call: "kill", object: "the guardian of the caller's terminal", why: "It has nothing left to guard." };
  return by(told, [sys("kill", [guardian, SIGKILL]), sys("wait4", [guardian, 0, WALL, 0])]);
}
