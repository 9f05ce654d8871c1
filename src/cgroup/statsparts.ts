/** From which control groups a container's figures are read. */
import type { HostFacts } from "../linux/facts.ts";

/** A template of statstemplates.ts, and the groups that its files are in. Undefined: the host has no such group. */
export interface StatsPart {
  readonly name: string;
  readonly directories: readonly (string | undefined)[];
}

export function statsParts({ cgroups }: HostFacts, path: string): StatsPart[] {
  const v1 = (controller: string) => {
    const mount = cgroups.v1.find((h) => h.controllers.includes(controller))?.mount;
    return mount === undefined ? undefined : mount + path;
  };
  const v2 = cgroups.v2 && cgroups.v2.mount + path;
  const part = (name: string) => {
    const own = v1(name);
    return own === undefined ? { name: `${name}2`, directories: [v2] } : { name: `${name}1`, directories: [own] };
  };
  const cpuacct = v1("cpuacct");
  return [
    cpuacct === undefined
      ? { name: "cpu2", directories: [v2] }
      : { name: "cpu1", directories: [cpuacct, v1("cpu") ?? cpuacct] },
    part("cpuset"),
    part("memory"),
    part("pids"),
    part("blkio"),
    part("hugetlb"),
  ];
}
