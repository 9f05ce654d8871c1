/** Paths inside a container's root: resolved once, below the root's descriptor, never outside it (openat2(2)). */
import type { Arch } from "../linux/arch.ts";
import {
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
} from "../linux/constants.ts";
import { alt, bytes, sys } from "./instructions.ts";
import type { Arg, Data, Instruction, Sys } from "./plan.ts";

export interface Opened {
  readonly does: readonly Instruction[];
  /** Its result is an O_PATH descriptor. */
  readonly fd: Instruction;
}

/**
 * openat2 below `root`; links are followed inside the root only, or (`plain`) not at all. Again while EAGAIN: any rename(2) on
 * the host while it goes through ".." is one (openat2(2)).
 */
export function openInRoot(root: Arg, path: string, flags: number, plain = false, mode = 0): Sys {
  const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (plain ? RESOLVE_NO_SYMLINKS : 0);
  return sys("openat2", [root, relative(path), openHow(flags | O_CLOEXEC, mode, resolve), 24], { retry: true });
}

const HOWS = new Map<number, Data>();

/** struct open_how; the few that a plan needs are shared. */
function openHow(flags: number, mode: number, resolve: number): Data {
  const key = (flags * 64 + resolve) * 4096 + mode;
  let how = HOWS.get(key);
  if (!how) {
    how = bytes(new Uint8Array(new Uint32Array([flags, 0, mode, 0, resolve, 0]).buffer));
    HOWS.set(key, how);
  }
  return how;
}

/** The directory at `path` in the root; made, with the ones above it, where it is missing. */
export function openOrMakeDirectory(root: Arg, path: string, arch: Arch, plain = false): Opened {
  const open = () => openInRoot(root, path, O_PATH | O_DIRECTORY(arch), plain);
  const fd = alt([open()], [...makeDirectories(root, path, arch, plain), open()], ["ENOENT"]);
  return { does: [fd], fd };
}

/** What is at `path` in the root, whatever it is; where nothing is, `isDirectory` (an instruction that succeeds for a directory) decides what is made. */
export function openOrMake(root: Arg, path: string, arch: Arch, isDirectory: Instruction): Opened {
  const names = split(path);
  const name = names.at(-1);
  const open = () => openInRoot(root, path, O_PATH);
  if (name === undefined) {
    const fd = open();
    return { does: [fd], fd };
  }
  const above = names.slice(0, -1).join("/");
  const parent = openInRoot(root, above, O_PATH | O_DIRECTORY(arch));
  const file = sys("openat", [parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW(arch) | O_CLOEXEC, 0o644], {
    ok: ["EEXIST"],
  });
  const directory = sys("mkdirat", [parent, name, 0o755], { ok: ["EEXIST"] });
  const make = [
    ...makeDirectories(root, above, arch, false),
    parent,
    // Left open for writing it would keep the root from becoming read-only.
    alt([isDirectory, directory], [file, sys("close", [file], { ok: ["EBADF"] })], ["ENOTDIR"]),
  ];
  const fd = alt([open()], [...make, open()], ["ENOENT"]);
  return { does: [fd], fd };
}

function makeDirectories(root: Arg, path: string, arch: Arch, plain: boolean): Instruction[] {
  const names = split(path);
  return names.flatMap((name, i) => {
    const parent = openInRoot(root, names.slice(0, i).join("/"), O_PATH | O_DIRECTORY(arch), plain);
    return [parent, sys("mkdirat", [parent, name, 0o755], { ok: ["EEXIST"] })];
  });
}

/** The names in a path, without empty ones and dots; ".." stays, and openat2 keeps it inside the root. */
export function split(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

function relative(path: string): string {
  return split(path).join("/") || ".";
}
