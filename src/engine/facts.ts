/** The host's facts: probed once per boot, mount namespace and build, then read from a file. */
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, release } from "node:os";
import { readCgroupLayout } from "../cgroup/layout.ts";
import { factsFile, type Paths } from "../container/paths.ts";
import { currentArch } from "../linux/arch.ts";
import { AT_FDCWD, FSCONFIG_SET_FD, FSOPEN_CLOEXEC, O_CLOEXEC, O_PATH } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { sys } from "../plan/instructions.ts";
import { onHost } from "../plan/op.ts";
import { BUILD } from "../stage/generated/identity.ts";
import { carryOut } from "./plans.ts";

interface Cached {
  readonly key: string;
  readonly facts: HostFacts;
}

export function hostFacts(paths: Paths, stage: string): HostFacts {
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const key = `${boot} ${readlinkSync("/proc/self/ns/mnt")} ${BUILD}`;
  try {
    const cached: Cached = JSON.parse(readFileSync(factsFile(paths), "utf8"));
    if (cached.key === key) return cached.facts;
  } catch {
    // Not there, or not whole: probe.
  }
  const facts = probe(paths, stage, boot);
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  const half = `${factsFile(paths)}.${process.pid}`;
  writeFileSync(half, JSON.stringify({ key, facts }), { mode: 0o600 });
  renameSync(half, factsFile(paths));
  return facts;
}

/** After a failure that facts could be to blame for. */
export function forgetFacts(paths: Paths): void {
  rmSync(factsFile(paths), { force: true });
}

function probe(paths: Paths, stage: string, boot: string): HostFacts {
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
