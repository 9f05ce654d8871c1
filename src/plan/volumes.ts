/** Volumes: made, filled from the image once, taken away. */
import type { Arch } from "../linux/arch.ts";
import { AT_FDCWD, F_OFD_SETLK, O_CLOEXEC, O_CREAT, O_DIRECTORY, O_RDWR } from "../linux/constants.ts";
import { expect, out, sys, unless } from "./instructions.ts";
import { lockOf } from "./life.ts";
import { onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** @param directories of volumes without a name, all beside each other @param release they go at the end */
export function makeVolumes(directories: readonly string[], release: boolean): Op[] {
  return directories.map((directory) => {
    const made = sys("mkdirat", [AT_FDCWD, directory, 0o700], { ok: ["EEXIST"] });
    const above = directory.slice(0, directory.lastIndexOf("/"));
    const undo = {
      of: made,
      call: "unlinkat",
      object: directory,
      sh: `! mkdir ${quote(sharedMark(directory))} 2>/dev/null || rm -rf ${quote(directory)}`,
      does: [
        unless(
          ["EEXIST"],
          [
            sys("mkdirat", [AT_FDCWD, sharedMark(directory), 0o700], { ok: ["ENOENT"] }),
            { do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] },
          ],
        ),
      ],
    };
    const told = {
      call: "mkdirat",
      object: directory,
      why: "A volume without a name: for this container alone.",
      sh: `mkdir -p ${quote(`${directory}/_data`)}`,
    };
    return onHost(release ? { ...told, undo } : told, [
      sys("mkdirat", [AT_FDCWD, above, 0o700], { ok: ["EEXIST"] }),
      made,
      sys("mkdirat", [AT_FDCWD, `${directory}/_data`, 0o755], { ok: ["EEXIST"] }),
    ]);
  });
}

/** Who makes it first, has it: another container, and the volume stays; or the end of the one that it was made for. */
export const sharedMark = (directory: string) => `${directory}/shared`;

/** @param directories of volumes without a name that were made for other containers */
export function shareVolumes(directories: readonly string[]): Op[] {
  return directories.map((directory) => {
    const told = {
      call: "mkdirat",
      object: sharedMark(directory),
      why: "A volume without a name stays when the container that it was made for goes: this one has it too.",
      sh: `mkdir -p ${quote(sharedMark(directory))}`,
    };
    return onHost(told, [sys("mkdirat", [AT_FDCWD, sharedMark(directory), 0o700], { ok: ["EEXIST"] })]);
  });
}

/** Until the program runs: nobody else fills it meanwhile, or takes it away. @param data its directory of files */
export function lockVolume(data: string): Op[] {
  if (!data.endsWith("/_data")) return [];
  const path = `${data.slice(0, data.lastIndexOf("/"))}/lock`;
  const lock = sys("openat", [AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600]);
  const told = {
    call: "fcntl",
    object: `lock of ${path}`,
    why: "An empty volume is filled from the image, by one container.",
    sh: `touch ${quote(path)}`,
  };
  return [onHost(told, [lock, sys("fcntl", [lock, F_OFD_SETLK, lockOf("write")], { retry: true })])];
}

/** What getdents64(2) gives for a directory that has but itself and the one above. */
const EMPTY = 48n;

/** @param covered what the image has there @param mount the volume, attached nowhere yet */
export function fillVolume(covered: Instruction, mount: Instruction, arch: Arch): Instruction[] {
  const open = O_DIRECTORY(arch) | O_CLOEXEC;
  const from = sys("openat", [covered, ".", open]);
  const to = sys("openat", [mount, ".", open]);
  const entries = out(256);
  const listed = sys("getdents64", [to, entries, entries.size]);
  return [
    unless(
      ["ENOTEMPTY", "ENOTDIR"],
      [
        from,
        to,
        listed,
        expect(listed, 0xffffffffffffffffn, EMPTY, "ENOTEMPTY"),
        { do: "walk", mode: "copy", dir: from, to },
        sys("close", [from]),
        sys("close", [to]),
      ],
    ),
  ];
}

/** A volume is taken away unless a container is about to start with it. */
export function planVolumeRemoval(directory: string): Op[] {
  const lock = sys("openat", [AT_FDCWD, `${directory}/lock`, O_RDWR | O_CLOEXEC], { ok: ["ENOENT"] });
  const told = {
    call: "fcntl",
    object: `lock of ${directory}/lock`,
    why: "A container that is about to start with it holds it.",
  };
  const removal = {
    call: "unlinkat",
    object: directory,
    why: "The volume, with all that is in it.",
    sh: `rm -rf ${quote(directory)}`,
  };
  return [
    onHost(told, [lock, sys("fcntl", [lock, F_OFD_SETLK, lockOf("write")], { ok: ["EBADF"] })]),
    onHost(removal, [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] }]),
  ];
}
