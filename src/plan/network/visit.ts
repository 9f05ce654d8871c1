/** Doing something in the network namespace of a container that runs, and coming back. See setns(2). */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWNET,
  O_CLOEXEC,
  O_RDONLY,
  SIGKILL,
  STATX_BASIC_STATS,
} from "../../linux/constants.ts";
import { endWith } from "../attended.ts";
import { type ExecInput, openTarget } from "../execprocess.ts";
import { alt, expect, out, sys, unless } from "../instructions.ts";
import { lockPlan } from "../life.ts";
import { onHost } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";

/** Its first process, with the inode of that one's pidfd, and that of its network namespace. */
export type Visited = ExecInput["target"] & { readonly namespace: number };

export interface Visit {
  readonly ops: readonly Op[];
  /** Descriptor of the container's network namespace. */
  readonly namespace: Instruction;
  within(does: readonly Instruction[]): Instruction[];
  /** After a failure, before anything is undone: it may have happened in there. */
  readonly back: Op;
}

/**
 * What the plan of a visit begins with. It ends with the command that does it, and is locked as long as somebody is at work on it: the next command
 * undoes it, or does the rest, when nobody else goes on.
 * @param directory of its run  @param command its pid
 */
export function beginVisit(directory: string, command: number): Op[] {
  const why = "If the command is killed, the next one sees to what it has begun; nobody else goes on with it.";
  return [lockPlan({ directory }).op, endWith(command, SIGKILL, why)];
}

export function visit(target: Visited): Visit {
  const home = openHome();
  const { op: targetOp, pidfd } = openTarget(target);
  const path = `/proc/${target.pid}/ns/net`;
  const namespace = sys("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC]);
  const here = { call: "openat", object: "the host's network namespace", why: "The way back from the container's." };
  const there = {
    call: "openat",
    object: `the network namespace of the container's process ${target.pid}`,
    why: "The container's end of the cable goes there, and is given its address there.",
  };
  const back = { call: "setns", object: "the host's network namespace", why: "Undone is what was done on the host." };
  return {
    // Behind that number there still is whom the pidfd means: it was so all the time.
    ops: [onHost(here, [home]), targetOp, onHost(there, [namespace, sys("pidfd_send_signal", [pidfd, 0, 0, 0])])],
    namespace,
    within: (does) => [sys("setns", [namespace, CLONE_NEWNET]), ...does, sys("setns", [home, CLONE_NEWNET])],
    back: onHost(back, [alt([sys("setns", [home, CLONE_NEWNET])], [])]),
  };
}

/** The same by whoever undoes: nothing happens if that namespace is not there any more, nor if it fails in there. */
export function visitAgain({ pid, namespace }: Visited, does: readonly Instruction[]): Instruction {
  const there = sys("openat", [AT_FDCWD, `/proc/${pid}/ns/net`, O_RDONLY | O_CLOEXEC]);
  const described = out(256); // struct statx: stx_ino at 32 (u64)
  const home = openHome();
  return unless(
    ["ENOENT", "ESRCH", "ESTALE"],
    [
      there,
      sys("statx", [there, "", AT_EMPTY_PATH, STATX_BASIC_STATS, described]),
      expect({ load: described, at: 32, width: 8 }, 0xffffffffffffffffn, BigInt(namespace), "ESTALE"),
      home,
      sys("setns", [there, CLONE_NEWNET]),
      alt(does, []),
      sys("setns", [home, CLONE_NEWNET]),
      sys("close", [home]),
      sys("close", [there]),
    ],
  );
}

const openHome = () => sys("openat", [AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC]);

/** A line of a shell, in there. */
export const shWithin = ({ pid }: Visited, lines: string) =>
  lines
    .split("\n")
    .map((line) => `nsenter -t ${pid} -n ${line}`)
    .join("\n");
