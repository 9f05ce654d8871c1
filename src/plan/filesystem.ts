/** Mounts by descriptor: made first, given attributes, attached last. See fsopen(2), mount_setattr(2), move_mount(2). */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_RECURSIVE,
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR_IDMAP,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../linux/constants.ts";
import { struct, sys, u64 } from "./instructions.ts";
import type { Arg, Instruction, Sys } from "./plan.ts";

/** A mount option: a flag, a string, or a descriptor. */
export type Parameter = readonly [key: string, value?: string | Instruction];

/** Instructions and, as the last of them, the one whose result is the descriptor of the new mount. */
export interface Made {
  readonly does: readonly Instruction[];
  readonly mount: Sys;
}

/** A new file system, mounted nowhere yet; `source` is what mount(8) shows for it. `around` stands directly before and after its creation. */
export function newFilesystem(
  type: string,
  source: string,
  parameters: readonly Parameter[],
  attributes: number,
  around?: { before: readonly Instruction[]; after: readonly Instruction[] },
): Made {
  const context = sys("fsopen", [type, FSOPEN_CLOEXEC]);
  const create = sys("fsconfig", [context, FSCONFIG_CMD_CREATE, 0, 0, 0]);
  const mount = sys("fsmount", [context, FSMOUNT_CLOEXEC, attributes]);
  const before = around?.before ?? [];
  const after = around?.after ?? [];
  const named = parameter(context, ["source", source]);
  const does = [context, named, ...parameters.map((p) => parameter(context, p)), ...before, create, mount, ...after];
  return { does, mount };
}

function parameter(context: Instruction, [key, value]: Parameter): Sys {
  if (value === undefined) return sys("fsconfig", [context, FSCONFIG_SET_FLAG, key, 0, 0]);
  if (typeof value === "string") return sys("fsconfig", [context, FSCONFIG_SET_STRING, key, value, 0]);
  return sys("fsconfig", [context, FSCONFIG_SET_FD, key, 0, value]);
}

/** A second mount of what is at a path (below `at`), not attached anywhere. */
export function cloneMount(path: string, options: { at?: Arg; recursive?: boolean } = {}): Sys {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (options.recursive ? AT_RECURSIVE : 0);
  return sys("open_tree", [options.at ?? AT_FDCWD, path, path === "" ? flags | AT_EMPTY_PATH : flags]);
}

export interface Attributes {
  readonly set?: number;
  readonly clear?: number;
  /** MS_PRIVATE, MS_SLAVE, …: mount_setattr(2). */
  readonly propagation?: number;
  /** A user namespace's descriptor: ids on disk are read as ids of that namespace. */
  readonly idmap?: Instruction | undefined;
  readonly recursive?: boolean;
}

/** MOUNT_ATTR__ATIME */
const ATIME = 0x70;

export function setAttributes(mount: Arg, a: Attributes): Sys {
  const set = (a.set ?? 0) | (a.idmap ? MOUNT_ATTR_IDMAP : 0);
  // Access times are one choice of three: to make another one, all are taken away (mount_setattr(2)).
  const clear = (a.clear ?? 0) | (((a.clear ?? 0) | set) & ATIME ? ATIME : 0);
  const attr = struct([u64(set), u64(clear), u64(a.propagation ?? 0), u64(a.idmap ?? 0)]);
  return sys("mount_setattr", [mount, "", AT_EMPTY_PATH | (a.recursive ? AT_RECURSIVE : 0), attr, 32]);
}

/** Puts a mount onto what a descriptor stands for. */
export function attach(mount: Arg, on: Arg): Sys {
  return sys("move_mount", [mount, "", on, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH]);
}
