/** The id maps of a user namespace that is there already: read from inside it, which shows them as its parent sees them (user_namespaces(7)). */
import { AT_FDCWD, CLONE_NEWUSER, O_CLOEXEC, O_RDONLY } from "../linux/constants.ts";
import type { IdMapping } from "../spec/config.ts";
import { out, sys } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op, Out } from "./plan.ts";

export interface IdMaps {
  readonly uidMappings: IdMapping[];
  readonly gidMappings: IdMapping[];
}

/** The kernel takes at most 340 lines. */
const LARGEST_MAP = 16384;

export interface ReadIdMaps {
  readonly op: Op;
  /** uid_map and gid_map; `length` is the number of bytes. */
  readonly maps: readonly { content: Out; length: Instruction }[];
}

/** For a stage of its own: it does not come back from there. */
export function readIdMaps(path: string): ReadIdMaps {
  const namespace = sys("openat", [AT_FDCWD, path, O_RDONLY | O_CLOEXEC]);
  const does: Instruction[] = [namespace, sys("setns", [namespace, CLONE_NEWUSER])];
  const maps = ["uid_map", "gid_map"].map((file) => {
    const content = out(LARGEST_MAP);
    const fd = sys("openat", [AT_FDCWD, `/proc/self/${file}`, O_RDONLY | O_CLOEXEC]);
    const length = sys("read", [fd, content, LARGEST_MAP]);
    does.push(fd, length);
    return { content, length };
  });
  const told = {
    call: "read",
    object: `the id maps of ${path}`,
    why: "Layers and volumes are id-mapped the same way.",
  };
  return { op: onHost(told, does), maps };
}

/** Lines of "inside outside count". */
export function parseIdMap(text: string): IdMapping[] {
  return text
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter((numbers) => numbers.length === 3)
    .map(([containerID = 0, hostID = 0, size = 0]) => ({ containerID, hostID, size }));
}
