import type { Controller } from "./setting.ts";

/** Memory, and memory and swap together. Kernel: cgroup-v1/memory.rst, cgroup-v2.rst. */
export const memory: Controller = {
  name: "memory",
  v1({ memory }, has) {
    if (memory?.limit === undefined) return [];
    const what = `memory ${memory.limit} bytes`;
    const settings = [{ file: "memory.limit_in_bytes", value: `${memory.limit}`, what }];
    const both = "memory.memsw.limit_in_bytes";
    if (memory.swap !== undefined && has(both))
      settings.push({ file: both, value: `${memory.swap}`, what: `memory and swap ${memory.swap} bytes` });
    return settings;
  },
  v2({ memory }) {
    if (memory?.limit === undefined) return [];
    const settings = [
      { file: "memory.max", value: memory.limit < 0 ? "max" : `${memory.limit}`, what: `memory ${memory.limit} bytes` },
    ];
    if (memory.swap !== undefined) {
      const swap = memory.swap < 0 || memory.limit < 0 ? "max" : `${memory.swap - memory.limit}`; // v2 counts swap alone
      settings.push({ file: "memory.swap.max", value: swap, what: `swap ${swap} bytes` });
    }
    return settings;
  },
};
