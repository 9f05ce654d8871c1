/** The process beside a container with a health check: it waits, becomes the program that looks, and that becomes it again. */
import { AT_FDCWD, O_CLOEXEC, O_RDWR, SIGCHLD } from "../linux/constants.ts";
import { alt, expect, struct, sys, u32, u64 } from "./instructions.ts";
import { become, type RunPlace } from "./life.ts";
import { byChecker, onHost } from "./op.ts";
import type { Clone, Instruction, Op, Plan } from "./plan.ts";

/** Where it has the container's pidfd, from the beginning to its end: by that it learns that there is nothing more to check. Programs hand on 0, 1 and 2 only. */
const PIDFD = 0;
const POLLIN = 1;

/** @param leave out of the control groups of the monitor, which are removed with it */
export function cloneChecker(place: RunPlace, pidfd: Instruction, milliseconds: number, leave: readonly Op[]): Op {
  const nothing = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
  const alone = [
    ...leave.flatMap(({ does }) => does),
    sys("dup3", [pidfd, PIDFD, 0]),
    nothing,
    ...[1, 2].map((fd) => sys("dup3", [nothing, fd, 0])),
    sys("close_range", [3, 0xffffffff, 0]),
  ];
  const body = [{ phase: "Life and end" as const, ops: [waitAndLook(place, milliseconds, alone)] }];
  const args = struct([0, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0].map((value) => u64(value)));
  const pid: Clone = { do: "clone", args, body };
  const told = {
    call: "clone3",
    object: "the process for health checks",
    why: "Small, and asleep nearly always: nobody else is there who could look after the container.",
  };
  return onHost(told, [pid]);
}

/** What the program goes on as when it has looked. */
export function planWait(place: RunPlace, milliseconds: number): Plan {
  const gone = { call: "exit_group", object: "1", why: "Nothing is checked any more." };
  return {
    run: [{ phase: "Life and end", ops: [waitAndLook(place, milliseconds, [])] }],
    failed: [byChecker(gone, [sys("exit_group", [1])])],
    recover: [],
  };
}

/** A failure of its own is not the container's: then nothing is checked. */
function waitAndLook(place: RunPlace, milliseconds: number, first: readonly Instruction[]): Op {
  const fds = struct([u32(PIDFD), { width: 2, value: POLLIN }, { width: 2, value: 0 }]);
  const time = struct([u64(Math.floor(milliseconds / 1000)), u64(Math.round((milliseconds % 1000) * 1_000_000))]);
  const ended = sys("ppoll", [fds, 1, time, 0, 8]);
  const over = alt([expect(ended, 0xffffffffn, 1n, "EAGAIN"), sys("exit_group", [0])], [], ["EAGAIN"]);
  const told = {
    call: "ppoll",
    object: "the container, and the time of the next health check",
    why: "When the container has ended, so has this; else the program looks, and waits here again.",
  };
  return byChecker(told, [alt([...first, ended, over, ...become(place, "health")], [sys("exit_group", [1])])]);
}
