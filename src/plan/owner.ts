/** Who started a command, and is told of it. */
import { sys, text } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Op } from "./plan.ts";

export interface Owner {
  readonly pid: number;
  /** What it is told when the program runs. */
  readonly started: string;
}

export function tellOwner({ started }: Owner): Op {
  const message = text(started);
  const told = {
    call: "write",
    object: "to the owner: it runs",
    why: "Who started this waits for that, among what comes on standard error.",
  };
  return onHost(told, [sys("write", [2, message, message.bytes.length], { ok: ["EPIPE"] })]);
}
