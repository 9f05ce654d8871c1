/** linux.intelRdt: shares of caches and memory bandwidth. Kernel: filesystems/resctrl.rst. */
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_WRONLY } from "../linux/constants.ts";
import type { IntelRdt } from "../spec/config.ts";
import { awaits, bytes, sys, text } from "./instructions.ts";
import type { Child } from "./namespaces.ts";
import { inside, onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** Where a container's processes are counted and limited. */
export interface ResctrlGroups {
  /** Directory of the class of service. */
  readonly directory: string;
  /** It is not there before, and is made. */
  readonly make: boolean;
  /** It goes with the container. */
  readonly own: boolean;
  /** Lines for its "schemata" file. */
  readonly schemata: readonly string[];
  /** Directory of the group that is only counted. */
  readonly monitor?: string | undefined;
}

/** Lines of `schemata` in the order in which they have to be written. */
export function schemataOf({ l3CacheSchema, memBwSchema, schemata = [] }: IntelRdt): string[] {
  return [l3CacheSchema, memBwSchema, ...schemata].filter((line) => line !== undefined);
}

export function prepareResctrl({ directory, make, own, schemata, monitor }: ResctrlGroups): Op[] {
  return [
    ...(make ? [makeDirectory(directory, own)] : []),
    ...(make ? schemata.map((line) => writeSchema(directory, line)) : []),
    ...(monitor === undefined ? [] : [makeDirectory(monitor, true)]),
  ];
}

function makeDirectory(directory: string, own: boolean): Op {
  const made = sys("mkdirat", [AT_FDCWD, directory, 0o755]);
  const told = {
    call: "mkdirat",
    object: directory,
    why: "Asked for: its share of caches and memory bandwidth is set or counted by this group.",
    sh: `mkdir ${quote(directory)}`,
  };
  const undo = {
    of: made,
    call: "rmdir",
    object: directory,
    sh: `rmdir ${quote(directory)}`,
    does: [sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT"] })],
  };
  return onHost(own ? { ...told, undo } : told, [made]);
}

export function writeSchema(directory: string, line: string): Op {
  const path = `${directory}/schemata`;
  const file = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
  const data = text(`${line}\n`);
  const told = {
    call: "write",
    object: `${line} to ${path}`,
    why: "How much of the caches or of the memory's bandwidth it may use.",
    sh: `echo ${quote(line)} > ${quote(path)}`,
  };
  return onHost(told, [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])]);
}

/** Its children follow it there; so the program waits for it. */
export function joinResctrl(
  { directory, monitor }: Pick<ResctrlGroups, "directory" | "monitor">,
  child: Child,
  stage: Instruction,
): { outside: Op; inside: Op } {
  const path = `${monitor ?? directory}/tasks`;
  const file = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
  const written = sys("write", [
    file,
    bytes(new Uint8Array(12).fill(32), [{ at: 0, put: "decimal", of: child.pid, width: 12, pad: " " }]),
    12,
  ]);
  const told = {
    call: "write",
    object: `the process to ${path}`,
    why: "From now on it is limited and counted there.",
    sh: `echo $PID > ${quote(path)}`,
  };
  const wait = { call: "futex", object: path, why: "The program starts in its group." };
  return {
    outside: onHost(told, [file, written, sys("close", [file])]),
    inside: inside(wait, [awaits(written, stage)]),
  };
}
