/** What is asked of the kernel about a container that is there: whether its process lives, and is frozen. */
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, STATX_BASIC_STATS } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Config } from "../spec/config.ts";
import type { Marks } from "./created.ts";
import { expect, out, struct, sys, u16, u32, u64 } from "./instructions.ts";
import type { Instruction } from "./plan.ts";

const ALL = 0xffffffffffffffffn;

/** Succeeds if the process that was created lives; a zombie does not. Else ESRCH, ESTALE or ECHILD. */
export function lives({ pid, inode }: Marks): { does: Instruction[]; pidfd: Instruction } {
  const pidfd = sys("pidfd_open", [pid, 0]);
  const described = out(256);
  const watch = struct([u32(pidfd), u16(1), u16(0)]); // struct pollfd, POLLIN
  const ended = sys("ppoll", [watch, 1, struct([u64(0), u64(0)]), 0, 8]);
  const does = [
    pidfd,
    sys("statx", [pidfd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, described]),
    expect({ load: described, at: 32, width: 8 }, ALL, inode, "ESTALE"),
    ended,
    expect(ended, 0xffffffffn, 0n, "ECHILD"),
  ];
  return { does, pidfd };
}

/** The file whose first byte tells a frozen group: "F" of v1's FROZEN or FREEZING, "1" on v2. */
export function freezerFile({ cgroups }: HostFacts, { linux }: Config): { file: string; frozen: string } | undefined {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("freezer"));
  if (v1) return { file: `${v1.mount}${linux.cgroupsPath}/freezer.state`, frozen: "F" };
  return cgroups.v2 && { file: `${cgroups.v2.mount}${linux.cgroupsPath}/cgroup.freeze`, frozen: "1" };
}

export type Freezer = ReturnType<typeof freezerFile>;

/** Fails with EAGAIN if the group is not frozen. */
export function isFrozen(group: NonNullable<Freezer>): Instruction[] {
  const word = out(16);
  const file = sys("openat", [AT_FDCWD, group.file, O_CLOEXEC]);
  const first = BigInt(group.frozen.charCodeAt(0));
  return [
    file,
    sys("read", [file, word, word.size]),
    sys("close", [file]),
    expect({ load: word, at: 0, width: 1 }, 0xffn, first, "EAGAIN"),
  ];
}
