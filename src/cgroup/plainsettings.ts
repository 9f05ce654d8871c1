/**
 * Limits of which each is one value in one file. What `update` is given of these the front (front/update.c) has the container's plan
 * write, naming them by their place here. Those with one version's file only are said in another way on the other.
 */
export const PLAIN_SETTINGS: readonly { readonly controller: string; readonly v1?: string; readonly v2?: string }[] = [
  { controller: "cpu", v1: "cpu.shares" },
  { controller: "cpu", v2: "cpu.weight" },
  { controller: "cpu", v1: "cpu.cfs_period_us" },
  { controller: "cpu", v1: "cpu.cfs_quota_us" },
  { controller: "cpu", v2: "cpu.max" },
  { controller: "cpuset", v1: "cpuset.cpus", v2: "cpuset.cpus" },
  { controller: "cpuset", v1: "cpuset.mems", v2: "cpuset.mems" },
  { controller: "memory", v1: "memory.limit_in_bytes", v2: "memory.max" },
  { controller: "memory", v1: "memory.soft_limit_in_bytes", v2: "memory.low" },
  { controller: "pids", v1: "pids.max", v2: "pids.max" },
];
