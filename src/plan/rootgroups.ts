/** A process that outlives whoever started it belongs to no control group of theirs. */
import type { HostFacts } from "../linux/facts.ts";
import { writeFile } from "./cgroup.ts";
import { onHost } from "./op.ts";
import type { Op } from "./plan.ts";

/** Moves a process into the roots of all hierarchies. @param what it is */
export function enterRoots({ cgroups: { v1, v2 } }: HostFacts, pid: number, what: string): Op[] {
  const mounts = [...v1, ...(v2 ? [v2] : [])].map(({ mount }) => mount);
  return mounts.map((mount) => {
    const file = `${mount}/cgroup.procs`;
    const told = {
      call: "write",
      object: `${pid} to ${file}`,
      why: `${what} goes on when the container or the session ends that it was started in.`,
      sh: `echo ${pid} > ${file}`,
    };
    return onHost(told, writeFile(file, String(pid)));
  });
}
