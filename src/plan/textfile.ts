/** A small text file of a root file system, read without trusting it: /etc/passwd may be a FIFO, a device, a link out, or endless. */

import type { Arch } from "../linux/arch.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOCTTY,
  O_NONBLOCK,
  O_PATH,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
} from "../linux/constants.ts";
import { expect, out, sys, unless } from "./instructions.ts";
import { onHost } from "./op.ts";
import { openInRoot } from "./paths.ts";
import type { Instruction, Op, Out } from "./plan.ts";

/** Larger files are refused. A power of two, so that one mask checks it. */
export const LARGEST_TEXT = 2 ** 20;

/** As much of a program as is looked at. */
const LARGEST_PROGRAM = 2 ** 26;

export interface TextFile {
  readonly op: Op;
  readonly content: Out;
  /** Its result is the number of bytes; the instruction is not done if there is no such file. */
  readonly length: Instruction;
}

/** @param root a directory's path, or the descriptor of one that ops before have opened */
export function readTextFile(root: string | Instruction, path: string, arch: Arch): TextFile {
  const content = out(LARGEST_TEXT);
  const opened = typeof root === "string" ? open(root, arch) : [];
  const directory = typeof root === "string" ? (opened[0] as Instruction) : root;
  const seen = openInRoot(directory, path, O_PATH);
  const file = openInRoot(directory, path, O_NONBLOCK | O_NOCTTY);
  const length = sys("read", [file, content, LARGEST_TEXT]);
  const told = {
    call: "read",
    object: typeof root === "string" ? `${path} in ${root}` : `${path} in the image`,
    why: "Names of users and groups are those of the container; the file is looked at before it is opened.",
    sh: typeof root === "string" ? `cat ${root}${path}` : `cat $MOUNTS/root${path}`,
  };
  const body = [seen, ...isSmallFile(seen), file, ...isSmallFile(file), length];
  return { op: onHost(told, [...opened, unless(["ENOENT"], body)]), content, length };
}

function open(root: string, arch: Arch): Instruction[] {
  return [sys("openat", [AT_FDCWD, root, O_PATH | O_DIRECTORY(arch) | O_CLOEXEC])];
}

/** Sends a regular file below `root` to the stage's standard output. */
export function readToStdout(root: string, path: string, arch: Arch): Op {
  const directory = sys("openat", [AT_FDCWD, root, O_PATH | O_DIRECTORY(arch) | O_CLOEXEC]);
  const seen = openInRoot(directory, path, O_PATH);
  const file = openInRoot(directory, path, O_NONBLOCK | O_NOCTTY);
  const told = { call: "sendfile", object: `${path} in ${root}`, why: "Looked at from outside, never run." };
  const does = [directory, seen, isRegular(seen), file, isRegular(file)].flat();
  return onHost(told, [...does, sys("sendfile", [1, file, 0, LARGEST_PROGRAM])]);
}

function isRegular(fd: Instruction): Instruction[] {
  return isSmallFile(fd).slice(0, 2);
}

function isSmallFile(fd: Instruction): Instruction[] {
  // struct statx: stx_mode at 28 (u16), stx_size at 40 (u64)
  const stat = out(256);
  return [
    sys("statx", [fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat]),
    expect({ load: stat, at: 28, width: 2 }, BigInt(S_IFMT), BigInt(S_IFREG), "EINVAL"),
    expect({ load: stat, at: 40, width: 8 }, ~BigInt(LARGEST_TEXT - 1) & 0xffffffffffffffffn, 0n, "EFBIG"),
  ];
}
