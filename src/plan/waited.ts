/** A command that stays until its container ends, while others work on the container: they find its plan unlocked. */
import { AT_EMPTY_PATH, F_OFD_SETLK, F_OFD_SETLKW, STATX_BASIC_STATS } from "../linux/constants.ts";
import type { CreateInput } from "./created.ts";
import { alt, expect, out, sys } from "./instructions.ts";
import type { Programs } from "./later.ts";
import { KEPT_LOCK, type Kept, lockOf, serve } from "./life.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

type Waiting = Extract<CreateInput["run"], { wait: true }>;

export function waitForEnd(kept: Kept, run: Waiting, programs: Programs): Op[] {
  const served = serve(kept, run.streams.input, 0);
  const last = { call: "exit_group", object: "the container's status", why: "The command ends as the container did." };
  const exit = onHost(last, [sys("exit_group", [served.status])]);
  if (run.keep) return [unlock(), served.op, exit];
  return [unlock(), served.op, lockAgain(served.status), ...programs.gone(), exit];
}

function unlock(): Op {
  const told = {
    call: "fcntl",
    object: "the plan's lock, let go",
    why: "Meanwhile others may exec in the container, or delete it.",
  };
  return onHost(told, [sys("fcntl", [KEPT_LOCK, F_OFD_SETLK, lockOf("none")])]);
}

/** Whoever has deleted the container has unlinked its plan: then all is done, and the id may be another's. */
function lockAgain(status: Instruction): Op {
  const stat = out(256); // struct statx: stx_nlink at 16 (u32)
  const told = {
    call: "fcntl",
    object: "the plan's lock, again",
    why: "One command only takes the container away; if another has done so, nothing is left to do.",
  };
  return onHost(told, [
    sys("fcntl", [KEPT_LOCK, F_OFD_SETLKW, lockOf("write")]),
    sys("statx", [KEPT_LOCK, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat]),
    alt(
      [expect({ load: stat, at: 16, width: 4 }, 0xffffffffn, 1n, "ESTALE")],
      [sys("exit_group", [status])],
      ["ESTALE"],
    ),
  ]);
}
