import { VitrineError } from "../errors.ts";
import type { Controller, Setting } from "./setting.ts";

/** Memory, and memory and swap together. Kernel: cgroup-v1/memory.rst, cgroup-v2.rst. */
export const memory: Controller = {
  name: "memory",
  v1({ memory = {} }, has) {
    const settings: Setting[] = [];
    const { limit, swap, reservation, kernel, kernelTCP, swappiness, disableOOMKiller } = memory;
    if (limit !== undefined)
      settings.push({ file: "memory.limit_in_bytes", value: `${limit}`, what: `memory ${limit} bytes` });
    const both = "memory.memsw.limit_in_bytes";
    if (swap !== undefined && has(both))
      settings.push({ file: both, value: `${swap}`, what: `memory and swap ${swap} bytes` });
    if (reservation !== undefined)
      settings.push({
        file: "memory.soft_limit_in_bytes",
        value: `${reservation}`,
        what: `memory ${reservation} bytes if others need it`,
      });
    if (kernel !== undefined)
      settings.push({ file: "memory.kmem.limit_in_bytes", value: `${kernel}`, what: `kernel memory ${kernel} bytes` });
    if (kernelTCP !== undefined)
      settings.push({
        file: "memory.kmem.tcp.limit_in_bytes",
        value: `${kernelTCP}`,
        what: `TCP buffers ${kernelTCP} bytes`,
      });
    if (swappiness !== undefined)
      settings.push({ file: "memory.swappiness", value: `${swappiness}`, what: `swappiness ${swappiness}` });
    if (disableOOMKiller)
      settings.push({ file: "memory.oom_control", value: "1", what: "who needs more memory waits, and is not killed" });
    return settings;
  },
  v2({ memory = {} }) {
    const { limit, swap, reservation, swappiness, disableOOMKiller } = memory;
    for (const [given, what] of [
      [swappiness !== undefined, "swappiness"],
      [disableOOMKiller, "disabling the OOM killer"],
    ] as const)
      if (given) throw new VitrineError("LIMIT_UNAVAILABLE", `cgroup v2 has no ${what}`, { hint: "leave it out" });
    const settings: Setting[] = [];
    if (limit !== undefined)
      settings.push({ file: "memory.max", value: limit < 0 ? "max" : `${limit}`, what: `memory ${limit} bytes` });
    if (swap !== undefined) {
      // v2 counts swap alone
      const alone = swap < 0 || limit === undefined || limit < 0 ? "max" : `${swap - limit}`;
      settings.push({ file: "memory.swap.max", value: alone, what: `swap ${alone} bytes` });
    }
    if (reservation !== undefined)
      settings.push({
        file: "memory.low",
        value: `${Math.max(reservation, 0)}`, // -1: none
        what: `memory ${reservation} bytes are kept for it`,
      });
    return settings;
  },
};
