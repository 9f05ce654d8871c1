/** Namespaces that are there already: of another container, or of any file that stands for one. See setns(2), ioctl_ns(2). */
import { VitrineError } from "../errors.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  NS_GET_NSTYPE,
  O_CLOEXEC,
  O_RDONLY,
  STATX_BASIC_STATS,
} from "../linux/constants.ts";
import { type Config, hasNewNamespace, joinedNamespace, type NamespaceType } from "../spec/config.ts";
import { expect, out, sys } from "./instructions.ts";
import { inside, onHost, onTheWay, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** Namespaces that the new process is made in or enters before. The cgroup namespace follows after the groups are joined. */
export const FLAGS: readonly [type: NamespaceType, flag: number, unshare: string][] = [
  ["mount", CLONE_NEWNS, "--mount"],
  ["pid", CLONE_NEWPID, "--pid"],
  ["network", CLONE_NEWNET, "--net"],
  ["ipc", CLONE_NEWIPC, "--ipc"],
  ["uts", CLONE_NEWUTS, "--uts"],
  ["user", CLONE_NEWUSER, "--user --keep-caps"],
];

export interface Join {
  readonly ops: readonly Op[];
  readonly descriptors: ReadonlyMap<NamespaceType, Instruction>;
}

/**
 * Opens the namespaces that the config names by path, each held against its type and, where known, its inode.
 * @throws UNSUPPORTED for what a new user namespace has no rights over
 */
export function openNamespaces(config: Config, inodes: Readonly<Record<string, number>>): Join {
  const ops: Op[] = [];
  const descriptors = new Map<NamespaceType, Instruction>();
  for (const { type, path } of config.linux.namespaces) {
    if (path === undefined) continue;
    if (hasNewNamespace(config, "user")) refuseForeign(type, path);
    const fd = sys("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC]);
    const kind = sys("ioctl", [fd, NS_GET_NSTYPE, 0]);
    const does: Instruction[] = [fd, kind, expect(kind, 0xffffffffn, BigInt(flagOf(type)), "EINVAL")];
    const inode = inodes[path];
    if (inode !== undefined) {
      const stat = out(256); // struct statx: stx_ino at 32 (u64)
      does.push(
        sys("statx", [fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat]),
        expect({ load: stat, at: 32, width: 8 }, 0xffffffffffffffffn, BigInt(inode), "ESTALE"),
      );
    }
    const told = {
      call: "openat",
      object: `the ${type} namespace ${path}`,
      why: "It was made by another: what is in there is seen from here, and the other way round.",
      sh: inode === undefined ? `test -e ${quote(path)}` : `test "$(stat -L -c %i ${quote(path)})" = ${inode}`,
    };
    ops.push(onHost(told, does));
    descriptors.set(type, fd);
  }
  return { ops, descriptors };
}

function flagOf(type: NamespaceType): number {
  return FLAGS.find(([t]) => t === type)?.[1] ?? CLONE_NEWCGROUP;
}

function refuseForeign(type: NamespaceType, path: string): void {
  if (type !== "pid" && type !== "cgroup") return;
  throw new VitrineError("UNSUPPORTED", `${path}: a new user namespace has no rights over this ${type} namespace`, {
    hint: "add --userns host, or --userns ns:PATH with the user namespace that owns it",
  });
}

/** @param entered in this order; a user namespace last, for it takes the rights away that the others need */
export function enterNamespaces(
  entered: readonly (typeof FLAGS)[number][],
  descriptors: ReadonlyMap<NamespaceType, Instruction>,
  config: Config,
): Op {
  const told = {
    call: "setns",
    object: entered.map(([type]) => type).join(", "),
    why: "From here on it shares them with whoever is in there.",
    sh: `nsenter --no-fork ${entered.map(([type, , flag]) => `${flag.split(" ")[0]}=${quote(joinedNamespace(config, type) ?? "")}`).join(" ")}`,
  };
  return onTheWay(
    told,
    entered.map(([type, flag]) => sys("setns", [descriptors.get(type) ?? -1, flag])),
  );
}

export function enterCgroupNamespace(descriptor: Instruction, path: string): Op {
  const told = {
    call: "setns",
    object: "the cgroup namespace",
    why: "Groups are seen from where the other container sees them.",
    sh: `nsenter --cgroup=${quote(path)}`,
  };
  return inside(told, [sys("setns", [descriptor, CLONE_NEWCGROUP])]);
}

/** Does something in another namespace and comes back: a file system shows the namespace that its maker is in. */
export function visiting(
  type: NamespaceType,
  descriptor: Instruction,
  does: readonly Instruction[],
): readonly Instruction[] {
  const [name, flag] = type === "network" ? ["net", CLONE_NEWNET] : ["ipc", CLONE_NEWIPC];
  const home = sys("openat", [AT_FDCWD, `/proc/self/ns/${name}`, O_RDONLY | O_CLOEXEC]);
  return [home, sys("setns", [descriptor, flag]), ...does, sys("setns", [home, flag])];
}
