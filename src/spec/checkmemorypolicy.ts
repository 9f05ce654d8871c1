/** linux.memoryPolicy of a bundle, by the rules of set_mempolicy(2). */
import { invalid } from "../errors.ts";
import { MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, type MemoryPolicy } from "./config.ts";
import { among, defined, Fields } from "./json.ts";
import { numberList } from "./numberlist.ts";

type Mode = MemoryPolicy["mode"];

const WITHOUT_NODES: readonly Mode[] = ["MPOL_DEFAULT", "MPOL_LOCAL"];
const NODES_OR_NONE: readonly Mode[] = [...WITHOUT_NODES, "MPOL_PREFERRED"];
const BALANCED: readonly Mode[] = ["MPOL_BIND", "MPOL_PREFERRED_MANY"];

export function checkMemoryPolicy(value: unknown, path: string): MemoryPolicy {
  const fields = new Fields(value, path);
  const mode = fields.must("mode", among(MEMORY_POLICY_MODES));
  const nodes = fields.may("nodes", numberList);
  const flags = [...new Set(fields.list("flags", among(MEMORY_POLICY_FLAGS)))];
  if (nodes !== undefined && WITHOUT_NODES.includes(mode))
    throw invalid(`${fields.at("nodes")}: ${mode} goes without nodes`);
  if (nodes === undefined && !NODES_OR_NONE.includes(mode)) throw invalid(`${fields.at("nodes")}: ${mode} needs some`);
  const named = flags.find((flag) => flag !== "MPOL_F_NUMA_BALANCING");
  const balancing = flags.find((flag) => flag === "MPOL_F_NUMA_BALANCING");
  if (named && nodes === undefined)
    throw invalid(`${fields.at("flags")}: ${named} says how nodes are counted: there are none`);
  if (flags.length - (balancing ? 1 : 0) > 1)
    throw invalid(`${fields.at("flags")}: nodes are either relative or static`);
  if (balancing && !BALANCED.includes(mode))
    throw invalid(`${fields.at("flags")}: ${balancing} goes with ${BALANCED.join(" and ")} only, not with ${mode}`);
  return defined({ mode, nodes, flags: flags.length > 0 ? flags : undefined });
}
