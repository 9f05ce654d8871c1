/** A run that a program waits for, and that ends with it: a step of a longer work. */
import { PR_SET_PDEATHSIG } from "../linux/constants.ts";
import { expect, sys } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Plan } from "./plan.ts";

const SIGKILL = 9;

/** @param parent pid of the program that starts the stage */
export function attended(plan: Plan, parent: number): Plan {
  const told = {
    call: "prctl",
    object: "PR_SET_PDEATHSIG SIGKILL",
    why: "This container is a step of somebody's work: if that is killed, the kernel ends the container with it.",
    sh: "setpriv --pdeathsig KILL",
  };
  const mine = sys("getppid", []);
  // It may have gone before we asked.
  const alive = expect(mine, 0xffffffffn, BigInt(parent), "ESRCH");
  const op = onHost(told, [sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]), mine, alive]);
  // Late, because the kernel forgets it when a process changes its file system ids; whoever dies before is missed by getppid.
  return { ...plan, run: [...plan.run.slice(0, -1), { phase: "Life and end", ops: [op] }, ...plan.run.slice(-1)] };
}
