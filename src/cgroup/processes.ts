/** The processes of a container, by its control groups. */
import { readdirSync, readFileSync } from "node:fs";
import type { HostFacts } from "../linux/facts.ts";

/** Pids as the host counts, also those in groups below. Empty when all have ended. */
export function processesIn({ cgroups }: Pick<HostFacts, "cgroups">, path: string): number[] {
  for (const { mount } of [...cgroups.v1, ...(cgroups.v2 ? [cgroups.v2] : [])]) {
    const found = below(mount + path);
    if (found) return [...new Set(found)].sort((a, b) => a - b);
  }
  return [];
}

/** Undefined if there is no such group. */
function below(directory: string): number[] | undefined {
  try {
    const own = readFileSync(`${directory}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
    const inner = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return [...own, ...inner.flatMap(({ name }) => below(`${directory}/${name}`) ?? [])];
  } catch {
    return undefined; // it has gone meanwhile
  }
}
