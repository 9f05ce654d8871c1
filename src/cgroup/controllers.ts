import { blkio } from "./blkio.ts";
import { cpu } from "./cpu.ts";
import { cpuset } from "./cpuset.ts";
import { hugetlb } from "./hugetlb.ts";
import { memory } from "./memory.ts";
import { netCls, netPrio } from "./network.ts";
import { pids } from "./pids.ts";
import { rdma } from "./rdma.ts";
import type { Controller } from "./setting.ts";

/** Every controller that limits can be set on, in the order in which they are written. */
export const CONTROLLERS: readonly Controller[] = [memory, cpu, cpuset, pids, blkio, hugetlb, netCls, netPrio, rdma];
