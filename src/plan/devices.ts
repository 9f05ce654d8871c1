/** /dev of a container: a tmpfs with the few nodes that every program may use, bound from the host. */

import type { Arch } from "../linux/arch.ts";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  MOUNT_ATTR_RDONLY,
  O_CLOEXEC,
  O_CREAT,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  S_IFCHR,
  S_IFMT,
  STATX_BASIC_STATS,
} from "../linux/constants.ts";
import { attach, cloneMount, setAttributes } from "./filesystem.ts";
import { expect, out, sys } from "./instructions.ts";
import { inside, onHost } from "./op.ts";
import { openInRoot } from "./paths.ts";
import type { Instruction, Op } from "./plan.ts";

/** Name, major, minor. Kernel: admin-guide/devices.txt. */
const NODES: readonly [string, number, number][] = [
  ["null", 1, 3],
  ["zero", 1, 5],
  ["full", 1, 7],
  ["random", 1, 8],
  ["urandom", 1, 9],
  ["tty", 5, 0],
];

/** Paths of the nodes that every container has. */
export const DEFAULT_NODES = NODES.map(([name]) => `/dev/${name}`);

const LINKS: readonly [string, string][] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["ptmx", "pts/ptmx"],
  ["core", "/proc/kcore"],
];

export interface Node {
  readonly name: string;
  readonly mount: Instruction;
}

/** Clones of the host's nodes, each checked to be the device it should be. */
export function hostNodes(): { op: Op; nodes: readonly Node[] } {
  const does: Instruction[] = [];
  const nodes = NODES.map(([name, major, minor]) => {
    const mount = cloneMount(`/dev/${name}`);
    // A node on a read-only mount can be written to, but not given another owner or mode, which would be the host's.
    does.push(mount, ...isDevice(mount, major, minor), setAttributes(mount, { set: MOUNT_ATTR_RDONLY }));
    return { name, mount };
  });
  const names = nodes.map((n) => n.name).join(", ");
  const told = {
    call: "open_tree",
    object: `/dev/{${names.replaceAll(" ", "")}}`,
    why: `The host's ${names}, checked by device number; a user namespace cannot make nodes, and needs no others.`,
    sh: `for n in ${names.replaceAll(",", "")}; do mount -o bind,ro /dev/$n $MOUNTS/dev-$n; done`,
  };
  return { op: onHost(told, does), nodes };
}

/** Fails with ENODEV unless the descriptor stands for this character device. */
export function isDevice(fd: Instruction, major: number, minor: number): Instruction[] {
  return isNode(fd, S_IFCHR, major, minor);
}

/** @param type S_IFCHR or S_IFBLK */
export function isNode(fd: Instruction, type: number, major: number, minor: number): Instruction[] {
  // struct statx: stx_mode at 28 (u16), stx_rdev_major at 128 (u32), stx_rdev_minor at 132
  const stat = out(256);
  const device = (BigInt(minor) << 32n) | BigInt(major);
  return [
    sys("statx", [fd, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, stat]),
    expect({ load: stat, at: 28, width: 2 }, BigInt(S_IFMT), BigInt(type), "ENODEV"),
    expect({ load: stat, at: 128, width: 8 }, 0xffffffffffffffffn, device, "ENODEV"),
  ];
}

/** Fills what is attached at /dev. @param used it may have some of them already */
export function fillDev(root: Instruction, dev: Instruction, nodes: readonly Node[], arch: Arch, used = false): Op {
  const does: Instruction[] = [];
  for (const { name, mount } of nodes) {
    const file = sys("openat", [dev, name, O_CREAT | O_WRONLY | O_NOFOLLOW(arch) | O_CLOEXEC, 0]);
    const at = openInRoot(root, `/dev/${name}`, O_PATH | O_NOFOLLOW(arch), true);
    does.push(file, sys("close", [file]), at, attach(mount, at));
  }
  for (const [name, target] of LINKS) does.push(sys("symlinkat", [target, dev, name], used ? { ok: ["EEXIST"] } : {}));
  const told = {
    call: "move_mount",
    object: `/dev/{${nodes.map((n) => n.name).join()}}`,
    why: "The nodes and the usual links; no disk, no memory, no terminal of the host.",
    sh: [
      `for n in ${nodes.map((n) => n.name).join(" ")}; do mount --move $MOUNTS/dev-$n $ROOT/dev/$n; done`,
      ...LINKS.map(([name, target]) => `ln -s ${target} $ROOT/dev/${name}`),
    ].join("\n"),
  };
  return inside(told, does);
}
