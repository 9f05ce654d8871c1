import type { Controller } from "./setting.ts";

/** The class that packets are marked with. v1 only: on v2 that is BPF's business. Kernel: cgroup-v1/net_cls.rst. */
export const netCls: Controller = {
  name: "net_cls",
  v1: ({ network }) =>
    network?.classID
      ? [{ file: "net_cls.classid", value: `${network.classID}`, what: `class ${network.classID}` }]
      : [],
  v2: () => [],
};

/** Priorities by network device. v1 only. Kernel: cgroup-v1/net_prio.rst. */
export const netPrio: Controller = {
  name: "net_prio",
  v1: ({ network }) =>
    (network?.priorities ?? []).map(({ name, priority }) => ({
      file: "net_prio.ifpriomap",
      value: `${name} ${priority}`,
      what: `priority ${priority} on ${name}`,
    })),
  v2: () => [],
};
