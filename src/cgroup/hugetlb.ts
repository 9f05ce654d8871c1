import type { Controller } from "./setting.ts";

/** Huge pages. Kernel: cgroup-v1/hugetlb.rst, cgroup-v2.rst. */
export const hugetlb: Controller = {
  name: "hugetlb",
  v1: ({ hugepageLimits = [] }) =>
    hugepageLimits.map(({ pageSize, limit }) => ({
      file: `hugetlb.${pageSize}.limit_in_bytes`,
      value: `${limit}`,
      what: `${limit} bytes in pages of ${pageSize}`,
    })),
  v2: ({ hugepageLimits = [] }) =>
    hugepageLimits.map(({ pageSize, limit }) => ({
      file: `hugetlb.${pageSize}.max`,
      value: `${limit}`,
      what: `${limit} bytes in pages of ${pageSize}`,
    })),
};
