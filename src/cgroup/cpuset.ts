import type { Controller, Setting } from "./setting.ts";

/** Which CPUs and memory nodes. The files are the same on v1 and v2. Kernel: cgroup-v1/cpusets.rst, cgroup-v2.rst. */
export const cpuset: Controller = {
  name: "cpuset",
  v1: ({ cpu }) => settings(cpu ?? {}),
  v2: ({ cpu }) => settings(cpu ?? {}),
};

function settings({ cpus, mems }: { cpus?: string; mems?: string }): Setting[] {
  const result: Setting[] = [];
  if (cpus !== undefined) result.push({ file: "cpuset.cpus", value: cpus, what: `CPUs ${cpus} only` });
  if (mems !== undefined) result.push({ file: "cpuset.mems", value: mems, what: `memory nodes ${mems} only` });
  return result;
}
