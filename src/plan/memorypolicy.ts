/** On which memory nodes a process's pages lie: set_mempolicy(2). */
import type { MemoryPolicy } from "../spec/config.ts";
import { sys } from "./instructions.ts";
import { inside } from "./op.ts";
import type { Op } from "./plan.ts";
import { bitMask } from "./scheduling.ts";

/** Numbers of linux/mempolicy.h. */
const MODES: Readonly<Record<MemoryPolicy["mode"], number>> = {
  MPOL_DEFAULT: 0,
  MPOL_PREFERRED: 1,
  MPOL_BIND: 2,
  MPOL_INTERLEAVE: 3,
  MPOL_LOCAL: 4,
  MPOL_PREFERRED_MANY: 5,
  MPOL_WEIGHTED_INTERLEAVE: 6,
};

const FLAGS = {
  MPOL_F_NUMA_BALANCING: 1 << 13,
  MPOL_F_RELATIVE_NODES: 1 << 14,
  MPOL_F_STATIC_NODES: 1 << 15,
} as const;

/** By the process itself, in its groups: nodes are taken as its cpuset has them. Inherited over execve. */
export function setMemoryPolicy({ mode, nodes, flags = [] }: MemoryPolicy): Op {
  const bits = flags.reduce((all, flag) => all | FLAGS[flag], MODES[mode]);
  const mask = nodes === undefined ? undefined : bitMask(nodes);
  const told = {
    call: "set_mempolicy",
    object: `${mode}${nodes === undefined ? "" : ` of ${nodes}`}`,
    why: "Asked for: on which nodes its memory lies.",
  };
  // The kernel counts one bit less than it is told.
  return inside(told, [sys("set_mempolicy", mask ? [bits, mask, 8 * mask.bytes.length + 1] : [bits, 0, 0])]);
}
