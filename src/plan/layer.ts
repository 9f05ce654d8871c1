/**
 * A layer goes into a directory, and a directory comes out as a layer: the part of it that the kernel sees. What a layer means is
 * known to src/image/layer/; here a process whose root is that directory writes what it is told, and reads what is there.
 */
import type { Arch } from "../linux/arch.ts";
import {
  AT_FDCWD,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDONLY,
  RENAME_NOREPLACE,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_XDEV,
  SIGCHLD,
  WALL,
} from "../linux/constants.ts";
import { cloneMount, setAttributes } from "./filesystem.ts";
import { awaits, out, sys, text } from "./instructions.ts";
import { cloneArgs, dieWithParent, ownPidfd } from "./namespaces.ts";
import { onHost, quote, unpacking } from "./op.ts";
import type { Clone, Instruction, Op, Out } from "./plan.ts";
import type { RootMount } from "./rootfs.ts";

/** A path with its NUL. */
const PATH_ROOM = 4096;

export interface TreePlan {
  readonly ops: readonly Op[];
  /** The instruction that goes through the tree, and the path that it came to: of the entry that failed, when one did. */
  readonly work: Instruction;
  readonly path: Out;
}

export interface LayerInput {
  /** Where layers lie. */
  readonly layers: string;
  /** A name in there that nothing has: the layer's until it is whole. */
  readonly half: string;
  /** Where the tar comes from, for the reader of an explanation. */
  readonly source: string;
  readonly arch: Arch;
}

/**
 * The tree that comes as records on standard input becomes `diff` in a directory of its own, whose place is there when a byte comes on
 * standard output; the last record's path is its name.
 */
export function planUnpack({ layers, half, source, arch }: LayerInput): TreePlan {
  const at = `${layers}/${half}`;
  const top = sys("mkdirat", [AT_FDCWD, at, 0o700]);
  const make = onHost(
    {
      call: "mkdirat",
      object: at,
      why: "The layer is unpacked under another name, and gets its own when it is whole.",
      sh: `mkdir -p ${quote(`${at}/diff`)}`,
      undo: {
        of: top,
        call: "unlinkat",
        object: at,
        sh: `rm -rf ${quote(at)}`,
        does: [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: at, ok: ["ENOENT"] }],
      },
    },
    // The byte says that there is a place for what the caller itself puts beside the files.
    [sys("umask", [0]), top, sys("mkdirat", [AT_FDCWD, `${at}/diff`, 0o755]), sys("write", [1, text("."), 1])],
  );
  const path = out(PATH_ROOM);
  const stream = (root: Instruction): Op => {
    const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    const told = {
      call: "openat2",
      object: "the layer's files",
      why: "Each directory is looked up below this root only, each last name is never followed; owners are those in the tar.",
      sh: `tar --extract --numeric-owner --same-permissions --xattrs --xattrs-include='*' -C ${quote(`${at}/diff`)} -f ${quote(source)}`,
    };
    return unpacking(told, [{ do: "stream", dir: root, from: 0, resolve, path }]);
  };
  const inside = inOwnRoot(`${at}/diff`, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "writes", stream);
  const directory = sys("openat", [AT_FDCWD, layers, O_RDONLY | O_DIRECTORY(arch) | O_CLOEXEC]);
  const commit = onHost(
    {
      call: "renameat2",
      object: `${layers}/<chain id>`,
      why: "On disk first, then visible under its name: a crash leaves the whole layer or none. Whoever comes second leaves it.",
      sh: `sync -f ${quote(at)} && mv -nT ${quote(at)} ${quote(layers)}/$CHAIN_ID`,
    },
    [
      directory,
      sys("syncfs", [directory]),
      sys("renameat2", [AT_FDCWD, at, directory, path, RENAME_NOREPLACE], { ok: ["EEXIST", "ENOTEMPTY"] }),
      sys("fsync", [directory]),
      { do: "walk", mode: "remove", dir: AT_FDCWD, path: at, ok: ["ENOENT"] },
    ],
  );
  return { ops: [make, ...inside.ops, commit], work: inside.work, path };
}

/**
 * The tree at `directory` goes to standard output as records.
 * @param made instead: a mount that is attached nowhere, which is then called `directory` in what is told
 * @param data what files hold, too; with it the reader has to answer
 */
export function planList(directory: string, arch: Arch, made?: RootMount, data = true): TreePlan {
  const path = out(PATH_ROOM);
  const list = (root: Instruction): Op => {
    const told = {
      call: "getdents64",
      object: `the files of ${directory}`,
      why: "Sorted, with everything a tar can hold; links are read, not followed, and what is mounted there is not entered.",
      sh: `tar --create --numeric-owner --xattrs --xattrs-include='*' --one-file-system --sort=name -C ${quote(directory)} .`,
    };
    const open = sys("openat", [root, ".", O_RDONLY | O_DIRECTORY(arch) | O_CLOEXEC]); // a mount's own descriptor cannot be read
    return unpacking(told, [open, { do: "walk", mode: "list", dir: open, to: 1, from: data ? 0 : -1, path }]);
  };
  const attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  return { ...inOwnRoot(directory, attributes, "reads", list, made), path };
}

/** A process that sees nothing but `directory`, and it through a mount that no device of it can be opened through. */
function inOwnRoot(
  directory: string,
  attributes: number,
  does: string,
  work: (root: Instruction) => Op,
  made?: RootMount,
): Omit<TreePlan, "path"> {
  const { op: self, pidfd: stage } = ownPidfd();
  const root = made?.mount ?? cloneMount(directory);
  const enter = unpacking(
    {
      call: "chroot",
      object: directory,
      why: "Whatever the names in there say, this process has no other files: its root is a mount that is attached nowhere.",
      sh: `unshare --mount --root=${quote(directory)}`,
    },
    [
      ...(made ? [] : [root]),
      setAttributes(root, { set: attributes, propagation: MS_PRIVATE }),
      sys("fchdir", [root]),
      sys("chroot", ["."]),
    ],
  );
  const last = work(root);
  const done = last.does.at(-1) as Instruction;
  const child: Clone = {
    do: "clone",
    args: cloneArgs(0n, SIGCHLD, undefined),
    body: [{ phase: "Image", ops: [dieWithParent(stage, unpacking), enter, last] }],
  };
  const pidfd = sys("pidfd_open", [child, 0]);
  const told = {
    call: "clone3",
    object: `a process that ${does} the files`,
    why: "It gets a root of its own, so that the rest of the host is out of its reach.",
  };
  const wait = { call: "wait4", object: `the process that ${does} the files`, why: "It ends when all has been done." };
  const ops = [
    ...(made?.ops ?? []),
    self,
    onHost(told, [child, pidfd]),
    onHost(wait, [awaits(done, pidfd), sys("wait4", [child, 0, WALL, 0])]),
  ];
  return { ops, work: done };
}
