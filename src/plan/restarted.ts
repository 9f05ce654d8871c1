/** The beginning of a run that is a restart: in the process that was the last run's monitor. */
import { struct, sys, u64 } from "./instructions.ts";
import { byCaller } from "./op.ts";
import type { Op } from "./plan.ts";

/** The last run's clients learn by this that all of it has been taken away. */
export function letClientsGo(): Op {
  const told = {
    call: "close_range",
    object: "what the last run's monitor held",
    why: "Whoever was attached to it, or waited for it, is told so that it is over.",
  };
  return byCaller(told, [sys("close_range", [3, 0xffffffff, 0])]);
}

/** Nothing of the container is there meanwhile: who stops or removes it kills this process. */
export function waitForRestart(milliseconds: number): Op {
  const time = struct([u64(Math.floor(milliseconds / 1000)), u64((milliseconds % 1000) * 1_000_000)]);
  const told = {
    call: "nanosleep",
    object: `${milliseconds / 1000} s`,
    why: "A container that ends again and again is started less and less often.",
    sh: `sleep ${milliseconds / 1000}`,
  };
  return byCaller(told, [sys("nanosleep", [time, 0])]);
}
