/**
 * Files into a container and out of it, by a process that is in there: in the mount namespace and as the root of the user namespace of
 * one that runs, or with the files of one that does not run as its root. What links in there lead to is in there.
 */
import type { Arch } from "../linux/arch.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWNS,
  CLONE_NEWUSER,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MS_PRIVATE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  PR_SET_PDEATHSIG,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  SIGCHLD,
  SIGKILL,
  STATX_BASIC_STATS,
  WALL,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { openTarget } from "./execprocess.ts";
import { setAttributes } from "./filesystem.ts";
import { awaits, expect, out, sys, unless, withPid } from "./instructions.ts";
import type { TreePlan } from "./layer.ts";
import { overlayByName } from "./layersbyname.ts";
import { cloneArgs, dieWithParent, ownPidfd, ownProcfs, undumpable } from "./namespaces.ts";
import { onHost, unpacking } from "./op.ts";
import { openInRoot } from "./paths.ts";
import type { Clone, Instruction, Op, Out } from "./plan.ts";
import { lockContainer, planRoot, type RootSource } from "./rootfs.ts";

/** Whose files are meant. */
export type Files =
  | { readonly kind: "host" }
  /** Of a container that runs. */
  | {
      readonly kind: "live";
      readonly target: { readonly pid: number; readonly inode: number };
      readonly userNamespace: boolean;
    }
  /** Of one that does not; no run of it can begin meanwhile. `source` may be one of its volumes. */
  | { readonly kind: "still"; readonly source: RootSource; readonly directory: string; readonly facts: HostFacts };

/** A path with its NUL. */
const PATH_ROOM = 4096;

/** What is found at a path. `seen` is done if there is something. */
export interface Look {
  readonly path: string;
  /** Of the path itself: struct statx, and the target if it is a link. */
  readonly own: { readonly seen: Instruction; readonly stat: Out; readonly length: Instruction; readonly target: Out };
  /** Of what it leads to. */
  readonly followed: { readonly seen: Instruction; readonly stat: Out };
  /** The path of that, without links; its length. */
  readonly real: { readonly path: Out; readonly length: Instruction };
}

export function planLook(files: Files, paths: readonly string[], arch: Arch): { ops: Op[]; looks: Look[] } {
  const looks: Look[] = [];
  const { op: procOp, procfs } = ownProcfs();
  const { ops } = among(files, arch, "looks at", (root) => {
    const does = paths.flatMap((path) => {
      const own = openInRoot(root, path, O_PATH | O_NOFOLLOW(arch));
      const [stat, target, far] = [out(256), out(PATH_ROOM), out(256)];
      const seen = sys("statx", [own, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat]);
      // Of what is no link the kernel says EINVAL or, by a descriptor, ENOENT.
      const length = sys("readlinkat", [own, "", target, PATH_ROOM - 1], { ok: ["EINVAL", "ENOENT"] });
      const led = openInRoot(root, path, O_PATH);
      const followed = sys("statx", [led, "", AT_EMPTY_PATH, STATX_BASIC_STATS, far]);
      const real = out(PATH_ROOM);
      const named = sys("readlinkat", [procfs, withPid("self/fd/", led, ""), real, PATH_ROOM - 1]);
      looks.push({
        path,
        own: { seen, stat, length, target },
        followed: { seen: followed, stat: far },
        real: { path: real, length: named },
      });
      const close = (fd: Instruction) => sys("close", [fd]);
      return [
        unless(NOT_THERE, [own, seen, length, close(own)]),
        unless(NOT_THERE, [led, followed, named, close(led)]),
      ];
    });
    const told = {
      call: "statx",
      object: paths.join(", "),
      why: "Looked at from in there; links are followed in there.",
    };
    return unpacking(told, does);
  });
  return { ops: [procOp, ...ops], looks };
}

const NOT_THERE = ["ENOENT", "ENOTDIR", "ELOOP", "EACCES"] as const;

/** What is in the directory at `path`, or what is called `name` in there, goes to standard output as records. */
export function planCopyOut(files: Files, path: string, name: string | undefined, arch: Arch): TreePlan {
  const noted = out(PATH_ROOM);
  return {
    ...among(files, arch, "reads", (root) => {
      const told = {
        call: "getdents64",
        object: name === undefined ? path : `${path === "/" ? "" : path}/${name}`,
        why: "Opened once, from in there; below it links are read, not followed, and what is mounted there is not entered.",
      };
      const directory = openInRoot(root, path, O_RDONLY | O_DIRECTORY(arch));
      const own = files.kind === "live" ? notKernels(directory) : [];
      const list = { do: "walk", mode: "list", dir: directory, to: 1, from: 0, path: noted, name } as const;
      return unpacking(told, [directory, ...own, list]);
    }),
    path: noted,
  };
}

/** What comes as records on standard input goes into the directory at `path`. */
export function planCopyIn(files: Files, path: string, arch: Arch): TreePlan {
  const noted = out(PATH_ROOM);
  return {
    ...among(files, arch, "writes", (root) => {
      const told = {
        call: "openat2",
        object: path,
        why: "Opened once, from in there; each directory below is looked up below it, each last name is never followed.",
      };
      const directory = openInRoot(root, path, O_PATH | O_DIRECTORY(arch));
      const resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
      const stream = { do: "stream", dir: directory, from: 0, resolve, path: noted } as const;
      return unpacking(told, [sys("umask", [0]), directory, stream]);
    }),
    path: noted,
  };
}

/** Of these file systems: magic numbers of statfs(2), for proc, sysfs, cgroup and cgroup2. */
const KERNELS = [0x9fa0n, 0x62656572n, 0x27e0ebn, 0x63677270n];

/** Files of the kernel's have no size, and what is read of them would be nothing: fails with EOPNOTSUPP. */
function notKernels(directory: Instruction): Instruction[] {
  const described = out(120); // struct statfs: f_type at 0
  return [
    sys("fstatfs", [directory, described]),
    ...KERNELS.map((type) =>
      unless(
        ["EINVAL"],
        [
          expect({ load: described, at: 0, width: 8 }, 0xffffffffffffffffn, type, "EINVAL"),
          expect(directory, 0n, 1n, "EOPNOTSUPP"),
        ],
      ),
    ),
  ];
}

/** A process among those files, which does `work`. Its last instruction is the work. */
function among(
  files: Files,
  arch: Arch,
  does: string,
  work: (root: Instruction) => Op,
): { ops: Op[]; work: Instruction } {
  const { op: selfOp, pidfd: stage } = ownPidfd();
  const root = sys("openat", [AT_FDCWD, "/", O_PATH | O_DIRECTORY(arch) | O_CLOEXEC]);
  const { before, enter } = entering(files, stage);
  const seen = { call: "openat", object: "/", why: "The root of what this process sees." };
  const last = work(root);
  const done = last.does.at(-1) as Instruction;
  const child: Clone = {
    do: "clone",
    args: cloneArgs(0n, SIGCHLD, undefined),
    body: [
      {
        phase: "Image",
        ops: [dieWithParent(stage, unpacking), undumpable(unpacking), ...enter, unpacking(seen, [root]), last],
      },
    ],
  };
  const pidfd = sys("pidfd_open", [child, 0]);
  const told = {
    call: "clone3",
    object: `a process that ${does} the files`,
    why: files.kind === "host" ? "It does nothing else." : "It goes in there, so that no name in there leads out.",
  };
  const wait = { call: "wait4", object: `the process that ${does} the files`, why: "It ends when all has been done." };
  const ops = [
    selfOp,
    ...before,
    onHost(told, [child, pidfd]),
    onHost(wait, [awaits(done, pidfd), sys("wait4", [child, 0, WALL, 0])]),
  ];
  return { ops, work: done };
}

function entering(files: Files, stage: Instruction): { before: readonly Op[]; enter: readonly Op[] } {
  if (files.kind === "host") return { before: [], enter: [] };
  if (files.kind === "live") {
    const target = openTarget(files.target);
    const told = {
      call: "setns",
      object: files.userNamespace ? "mount, user" : "mount",
      why: "It sees the container's files as the container does, mounts among them, and has the rights of its root and no others.",
      sh: `nsenter -t ${files.target.pid} --mount ${files.userNamespace ? "--user" : ""}`.trim(),
    };
    const root = files.userNamespace
      ? [
          sys("setgroups", [0, 0]),
          sys("setresgid", [0, 0, 0]),
          sys("setresuid", [0, 0, 0]),
          sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]), // the change of ids has cleared it
        ]
      : [];
    const flags = CLONE_NEWNS | (files.userNamespace ? CLONE_NEWUSER : 0);
    return { before: [target.op], enter: [unpacking(told, [sys("setns", [target.pidfd, flags]), ...root])] };
  }
  const lock = lockContainer(files.directory);
  const made =
    files.source.kind === "overlay" && !files.facts.overlayByFd
      ? overlayByName(files.source, undefined, stage)
      : planRoot(files.source, files.facts, undefined);
  const told = {
    call: "chroot",
    object: "the container's root file system",
    why: "This process has no other files: its root is a mount that is attached nowhere.",
  };
  const set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  const does = [
    setAttributes(made.mount, { set, propagation: MS_PRIVATE }),
    sys("fchdir", [made.mount]),
    sys("chroot", ["."]),
  ];
  return { before: [lock.op, ...made.ops], enter: [unpacking(told, does)] };
}
