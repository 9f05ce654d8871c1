/** A run that a program waits for, and that ends with it: a step of a longer work. */
import { PR_SET_PDEATHSIG, SIGKILL } from "../linux/constants.ts";
import { expect, sys } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Op, Plan } from "./plan.ts";

/** SIGSTKFLT, which no kernel sends (signal(7)): the stage kills the container for it. */
export const OWNER_GONE = 16;

/**
 * @param parent pid of the program that starts the stage
 * @param signal OWNER_GONE: the stage goes on, to take everything away
 */
export function attended(plan: Plan, parent: number, signal: typeof SIGKILL | typeof OWNER_GONE = SIGKILL): Plan {
  const op = endWith(
    parent,
    signal,
    "This container is a step of somebody's work: if that is killed, the kernel ends the container with it.",
  );
  // Late, because the kernel forgets it when a process changes its file system ids; whoever dies before is missed by getppid.
  return { ...plan, run: [...plan.run.slice(0, -1), { phase: "Life and end", ops: [op] }, ...plan.run.slice(-1)] };
}

/** The stage ends with the program that started it. */
export function endWith(parent: number, signal: typeof SIGKILL | typeof OWNER_GONE, why: string): Op {
  const told = {
    call: "prctl",
    object: `PR_SET_PDEATHSIG ${signal === SIGKILL ? "SIGKILL" : "SIGSTKFLT"}`,
    why,
    sh: `setpriv --pdeathsig ${signal === SIGKILL ? "KILL" : "STKFLT"}`,
  };
  const mine = sys("getppid", []);
  // It may have gone before we asked.
  const alive = expect(mine, 0xffffffffffffffffn, BigInt(parent), "ESRCH");
  return onHost(told, [sys("prctl", [PR_SET_PDEATHSIG, signal, 0, 0, 0]), mine, alive]);
}
