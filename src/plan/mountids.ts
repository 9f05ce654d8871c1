/** Id maps of single mounts: a user namespace for each, for that is how the kernel is told of them. See mount_setattr(2). */
import { CLONE_FILES, CLONE_NEWUSER, O_CLOEXEC, O_RDONLY, O_WRONLY, SIGCHLD, WALL } from "../linux/constants.ts";
import type { IdMapping, Mount } from "../spec/config.ts";
import { awaits, sys, text, withPid } from "./instructions.ts";
import { cloneArgs, dieWithParent, mapLines } from "./namespaces.ts";
import { holding, onHost } from "./op.ts";
import type { Clone, Instruction, Op } from "./plan.ts";

export interface MountIds {
  /** They come before the mounts. */
  readonly ops: readonly Op[];
  /** Descriptor of the user namespace by which a mount is mapped; undefined if it has no maps of its own. */
  of(mount: Mount): Instruction | undefined;
}

interface Maps {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

export function planMountIds(mounts: readonly Mount[], procfs: Instruction, stage: Instruction): MountIds {
  const ops: Op[] = [];
  const namespaces = new Map<string, Instruction>(); // mounts with the same maps share one
  for (const mount of mounts) {
    const maps = mapsOf(mount);
    if (!maps || namespaces.has(keyOf(maps))) continue;
    const made = namespaceOf(maps, mount.destination, procfs, stage);
    ops.push(...made.ops);
    namespaces.set(keyOf(maps), made.user);
  }
  return {
    ops,
    of(mount) {
      const maps = mapsOf(mount);
      return maps && namespaces.get(keyOf(maps));
    },
  };
}

function mapsOf({ uidMappings: uids, gidMappings: gids }: Mount): Maps | undefined {
  return uids && gids ? { uids, gids } : undefined;
}

const keyOf = ({ uids, gids }: Maps) => `${mapLines(uids)}/${mapLines(gids)}`;

/** A process that does nothing is born in it; when its maps are written and it is held by a descriptor, that process ends. */
function namespaceOf({ uids, gids }: Maps, destination: string, procfs: Instruction, stage: Instruction) {
  const files = ["uid_map", "gid_map"] as const;
  const body: Op[] = [];
  const holder: Clone = {
    do: "clone",
    args: cloneArgs(BigInt(CLONE_FILES | CLONE_NEWUSER), SIGCHLD, undefined),
    body: [{ phase: "Root file system", ops: body }],
  };
  const pidfd = sys("pidfd_open", [holder, 0]);
  const maps = [uids, gids].flatMap((mapping, i) => {
    const value = text(mapLines(mapping));
    const fd = sys("openat", [procfs, withPid("", holder, `/${files[i]}`), O_WRONLY | O_CLOEXEC]);
    return [fd, sys("write", [fd, value, value.bytes.length]), sys("close", [fd])];
  });
  const user = sys("openat", [procfs, withPid("", holder, "/ns/user"), O_RDONLY | O_CLOEXEC]);
  const waiting = {
    call: "futex",
    object: "the id maps",
    why: "A namespace is there as long as a process is in it, or a descriptor holds it.",
  };
  body.push(dieWithParent(stage, holding), holding(waiting, [awaits(user, stage)]));
  const told = {
    call: "clone3",
    object: `a user namespace for the ids of ${destination}`,
    why: "A mount is id-mapped by a user namespace; this one has the mappings that are asked for, and nobody in it.",
  };
  const written = {
    call: "write",
    object: `uid_map and gid_map "${mapLines(uids).trim().replaceAll("\n", ", ")}"`,
    why: "Ids on disk, ids that are seen, and how many.",
  };
  const ops = [onHost(told, [holder, pidfd]), onHost(written, [...maps, user, sys("wait4", [holder, 0, WALL, 0])])];
  return { ops, user };
}
