/** How one learns that the container's program runs: execve closes a pipe. */
import { O_CLOEXEC } from "../linux/constants.ts";
import { expect, out, sys } from "./instructions.ts";
import { noFailure } from "./later.ts";
import { KEPT_LOCK, KEPT_MORE } from "./life.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** Its writing end is closed by execve. */
export function openPipe(): { op: Op; reads: Instruction } {
  const ends = out(8);
  const reads = expect({ load: ends, at: 0, width: 4 }, 0n, 0n, "EIO");
  const told = { call: "pipe2", object: "a pipe that execve closes", why: "Its end tells that the program runs." };
  return { op: onHost(told, [sys("pipe2", [ends, O_CLOEXEC]), reads]), reads };
}

/** The pipe's end was kept as KEPT_MORE. Fails if the program did not start. */
export function programRuns(): Op {
  const told = { call: "read", object: "the pipe", why: "It ends when the program runs, or has failed to." };
  return onHost(told, [sys("read", [KEPT_MORE, out(8), 1]), ...noFailure(KEPT_LOCK)]);
}
