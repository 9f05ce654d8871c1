import { AT_FDCWD, F_OFD_SETLK, O_CLOEXEC, O_RDWR } from "../linux/constants.ts";
import { sys } from "./instructions.ts";
import { lockOf } from "./life.ts";
import { onHost, quote } from "./op.ts";
import type { Op } from "./plan.ts";

/** There from the moment on in which a container that runs is ended to be removed. */
export const removingFile = (directory: string) => `${directory}/removing`;

/** By a link to its lock, which takes neither space nor an inode. */
export function noteRemoval(directory: string): Op {
  const told = {
    call: "linkat",
    object: removingFile(directory),
    why: "Whoever holds the container takes it away without asking how it ended.",
  };
  const link = [AT_FDCWD, `${directory}/lock`, AT_FDCWD, removingFile(directory), 0] as const;
  return onHost(told, [sys("linkat", link, { ok: ["EEXIST", "ENOENT"] })]);
}

/**
 * Takes a container's directory away, and then its name: whoever takes the name next finds nothing of the old one.
 * @param lock fail with EAGAIN while a run of it goes on
 */
export function planRemoval(directory: string, nameFile: string | undefined, lock = false): Op[] {
  const tree = {
    call: "unlinkat",
    object: directory,
    why: "What the container wrote, and the engine's notes of it.",
    sh: `rm -rf ${quote(directory)}`,
  };
  const ops = [
    ...(lock ? [onlyWhileNobodyRuns(directory)] : []),
    onHost(tree, [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] }]),
  ];
  if (nameFile !== undefined) {
    const told = { call: "unlinkat", object: nameFile, why: "The name is free again.", sh: `rm ${quote(nameFile)}` };
    ops.push(onHost(told, [sys("unlinkat", [AT_FDCWD, nameFile, 0], { ok: ["ENOENT"] })]));
  }
  return ops;
}

function onlyWhileNobodyRuns(directory: string): Op {
  const told = {
    call: "fcntl",
    object: `lock of ${directory}/lock`,
    why: "A run of this container holds it, and would lose its files.",
  };
  const lock = sys("openat", [AT_FDCWD, `${directory}/lock`, O_RDWR | O_CLOEXEC], { ok: ["ENOENT"] });
  return onHost(told, [lock, sys("fcntl", [lock, F_OFD_SETLK, lockOf("write")], { ok: ["EBADF"] })]);
}
