/** The probing itself: slow, and done once. */
import { readFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { readCgroupLayout } from "../cgroup/layout.ts";
import type { Paths } from "../container/paths.ts";
import { carryOut } from "../container/plans.ts";
import { currentArch } from "../linux/arch.ts";
import { AT_FDCWD, FSCONFIG_SET_FD, FSOPEN_CLOEXEC, O_CLOEXEC, O_PATH } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { sys } from "../plan/instructions.ts";
import { onHost } from "../plan/op.ts";

export function probe(paths: Paths, stage: string, boot: string): HostFacts {
  const lastCapability = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "latin1"));
  return {
    arch: currentArch(),
    boot,
    kernel: release(),
    cgroups: readCgroupLayout(),
    overlayByFd: overlayByFd(paths, stage),
    lastCapability,
    cpus: availableParallelism(),
  };
}

function overlayByFd(paths: Paths, stage: string): boolean {
  const context = sys("fsopen", ["overlay", FSOPEN_CLOEXEC], { ok: ["ENODEV"] });
  const root = sys("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC]);
  const taken = sys("fsconfig", [context, FSCONFIG_SET_FD, "lowerdir+", 0, root], {
    ok: ["EOPNOTSUPP", "EINVAL", "EBADF"],
  });
  const told = { call: "fsconfig", object: "overlay lowerdir+ by descriptor", why: "Does overlayfs take descriptors?" };
  const { report, numberOf } = carryOut(stage, paths, [onHost(told, [context, root, taken])]);
  return report.records[numberOf(taken)]?.result === 0n;
}
