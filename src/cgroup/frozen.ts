/** Whether a container's processes are held: cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst (cgroup.freeze). */
import { readFileSync } from "node:fs";
import type { HostFacts } from "../linux/facts.ts";

/** Also while they are only being held. @param path of its groups */
export function isFrozen({ cgroups }: Pick<HostFacts, "cgroups">, path: string): boolean {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("freezer"));
  try {
    if (v1) return readFileSync(`${v1.mount}${path}/freezer.state`, "latin1").startsWith("F");
    return cgroups.v2 ? readFileSync(`${cgroups.v2.mount}${path}/cgroup.freeze`, "latin1").startsWith("1") : false;
  } catch {
    return false; // the groups have gone
  }
}
