/** What the planners know of the host. Read by src/engine/facts.ts, once per boot and mount namespace. */
import type { Arch } from "./arch.ts";

export interface HostFacts {
  readonly arch: Arch;
  /** /proc/sys/kernel/random/boot_id */
  readonly boot: string;
  /** uname -r */
  readonly kernel: string;
  readonly cgroups: CgroupLayout;
  /** Overlayfs takes its layers as descriptors, also of detached mounts (Linux 6.13 and later). */
  readonly overlayByFd: boolean;
  /** The highest capability of this kernel. */
  readonly lastCapability: number;
  readonly cpus: number;
}

export interface CgroupLayout {
  readonly v1: readonly CgroupV1[];
  readonly v2?: CgroupV2 | undefined;
}

/** One v1 hierarchy. */
export interface CgroupV1 {
  /** Its controllers ("cpu", "cpuacct"), or its name as "name=systemd". */
  readonly controllers: readonly string[];
  readonly mount: string;
  /** Files of limits that not every kernel has: "memory.memsw.limit_in_bytes". */
  readonly files: readonly string[];
}

export interface CgroupV2 {
  readonly mount: string;
  /** cgroup.controllers of the root. */
  readonly controllers: readonly string[];
  readonly kill: boolean;
}

export type CgroupKind = "v1" | "hybrid" | "v2" | "none";

export function cgroupKind(layout: CgroupLayout): CgroupKind {
  if (layout.v2) return layout.v1.length > 0 ? "hybrid" : "v2";
  return layout.v1.length > 0 ? "v1" : "none";
}
