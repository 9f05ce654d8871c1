import type { Resources } from "../spec/config.ts";
import type { Controller, Setting } from "./setting.ts";

function limits({ rdma = {} }: Resources): Setting[] {
  return Object.entries(rdma).flatMap(([device, { hcaHandles, hcaObjects }]) => {
    const words = [
      ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
      ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`]),
    ];
    return words.length > 0
      ? [{ file: "rdma.max", value: `${device} ${words.join(" ")}`, what: `${words.join(", ")} of ${device}` }]
      : [];
  });
}

/** Handles and objects of RDMA devices. The file is the same on v1 and v2. Kernel: cgroup-v1/rdma.rst. */
export const rdma: Controller = { name: "rdma", v1: limits, v2: limits };
