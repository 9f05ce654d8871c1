import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_EXCL, O_WRONLY } from "../linux/constants.ts";
import { sys, text, unless } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

export interface CidFile {
  readonly op: Op;
  /** For a run that failed: the file goes if this run made it. */
  readonly takeBack: Instruction;
}

/** A new file of the caller's with the container's id in it; it stays when the container has ended. */
export function writeCidFile(path: string, id: string): CidFile {
  const file = sys("openat", [AT_FDCWD, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o644]);
  const data = text(id);
  const told = {
    call: "openat",
    object: `the cidfile ${path}`,
    why: "The id of this container, for whoever started it; a file that is there already is not overwritten.",
    sh: `(set -C; echo -n ${id} > ${quote(path)})`,
  };
  const does = [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])];
  // Not done in this run, the result that fcntl needs is missing: then nothing is removed.
  const F_GETFD = 1;
  const made = sys("fcntl", [file, F_GETFD], { ok: ["EBADF"] });
  return { op: onHost(told, does), takeBack: unless(["ECANCELED"], [made, sys("unlinkat", [AT_FDCWD, path, 0])]) };
}
