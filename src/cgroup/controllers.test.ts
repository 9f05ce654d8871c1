import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Resources } from "../spec/config.ts";
import { CONTROLLERS } from "./controllers.ts";
import { cpu, weightOfShares } from "./cpu.ts";
import { readCgroupLayout } from "./layout.ts";
import { memory } from "./memory.ts";
import { pids } from "./pids.ts";
import type { Setting } from "./setting.ts";

const all = () => true;
const none = () => false;
const writes = (settings: Setting[]) => settings.map(({ file, value }) => [file, value]);

test("limits are written in this order", () => {
  expect(CONTROLLERS.map((c) => c.name)).toEqual([
    ...["memory", "cpu", "cpuset", "pids"],
    ...["blkio", "hugetlb", "net_cls", "net_prio", "rdma"],
  ]);
});

describe("memory", () => {
  const both: Resources = { memory: { limit: 100 << 20, swap: 300 << 20 } };

  test("v1 counts memory, then memory and swap together", () => {
    expect(writes(memory.v1(both, all))).toEqual([
      ["memory.limit_in_bytes", "104857600"],
      ["memory.memsw.limit_in_bytes", "314572800"],
    ]);
  });

  test("v1 without swap accounting has one limit", () => {
    expect(writes(memory.v1(both, none))).toEqual([["memory.limit_in_bytes", "104857600"]]);
    expect(writes(memory.v1({ memory: { limit: 5 } }, all))).toEqual([["memory.limit_in_bytes", "5"]]);
  });

  test("v1 asks for no other file than that of swap", () => {
    const asked: string[] = [];
    memory.v1(both, (file) => asked.push(file) > 0);
    expect(asked).toEqual(["memory.memsw.limit_in_bytes"]);
  });

  test("v2 counts swap alone", () => {
    expect(writes(memory.v2(both))).toEqual([
      ["memory.max", "104857600"],
      ["memory.swap.max", "209715200"],
    ]);
    expect(writes(memory.v2({ memory: { limit: 5, swap: -1 } }))).toEqual([
      ["memory.max", "5"],
      ["memory.swap.max", "max"],
    ]);
    expect(writes(memory.v2({ memory: { limit: 5, swap: 5 } }))[1]).toEqual(["memory.swap.max", "0"]);
    expect(writes(memory.v2({ memory: { limit: 5 } }))).toEqual([["memory.max", "5"]]);
  });

  // OCI: -1 is no limit; v2 wants the word.
  test("v2 writes no negative number", () => {
    expect(writes(memory.v2({ memory: { limit: -1 } }))).toEqual([["memory.max", "max"]]);
  });
});

describe("cpu", () => {
  const whole: Resources = { cpu: { shares: 512, period: 50000, quota: 75000 } };

  test("v1: a shorter period than the quota's comes first", () => {
    expect(writes(cpu.v1(whole, none))).toEqual([
      ["cpu.shares", "512"],
      ["cpu.cfs_period_us", "50000"],
      ["cpu.cfs_quota_us", "75000"],
    ]);
    expect(writes(cpu.v1({ cpu: { quota: -1 } }, none))).toEqual([["cpu.cfs_quota_us", "-1"]]);
  });

  test("v2: a weight, and quota and period in one file", () => {
    expect(writes(cpu.v2(whole))).toEqual([
      ["cpu.weight", "20"],
      ["cpu.max", "75000 50000"],
    ]);
    expect(writes(cpu.v2({ cpu: { quota: 75000 } }))).toEqual([["cpu.max", "75000 100000"]]);
    expect(writes(cpu.v2({ cpu: { period: 50000 } }))).toEqual([["cpu.max", "max 50000"]]);
    expect(writes(cpu.v2({ cpu: { quota: -1, period: 50000 } }))).toEqual([["cpu.max", "max 50000"]]);
    expect(writes(cpu.v2({ cpu: { quota: 0 } }))).toEqual([["cpu.max", "max 100000"]]);
  });
});

describe("weightOfShares", () => {
  test.each([
    [2, 1],
    [1024, 39],
    [262144, 10000],
    [0, 1],
    [1, 1],
    [-5, 1],
    [10 ** 9, 10000],
  ])("%d shares weigh %d", (shares, weight) => expect(weightOfShares(shares)).toBe(weight));

  test("more shares never weigh less, and every weight is one that the kernel takes", () => {
    const shares = fc.integer({ min: 2, max: 262144 });
    fc.assert(
      fc.property(shares, shares, (a, b) => {
        const [small, large] = [weightOfShares(Math.min(a, b)), weightOfShares(Math.max(a, b))];
        expect(small <= large && small >= 1 && large <= 10000 && Number.isInteger(small)).toBe(true);
      }),
    );
  });
});

describe("pids", () => {
  test.each([
    [100, "100"],
    [0, "0"],
    [-1, "max"],
  ])("%d is %s on v1 and v2", (limit, value) => {
    expect(writes(pids.v1({ pids: { limit } }, none))).toEqual([["pids.max", value]]);
    expect(writes(pids.v2({ pids: { limit } }))).toEqual([["pids.max", value]]);
  });
});

test("no limits, no writes", () => {
  for (const controller of CONTROLLERS)
    for (const resources of [{}, { memory: {}, cpu: {} }]) {
      expect(controller.v1(resources, all)).toEqual([]);
      expect(controller.v2(resources)).toEqual([]);
    }
});

test("every write is told with its number", () => {
  const resources = {
    memory: { limit: 7 << 20, swap: 9 << 20 },
    cpu: { shares: 3, quota: 5000, period: 7000 },
    pids: { limit: 11 },
  };
  for (const controller of CONTROLLERS)
    for (const { value, what } of [...controller.v1(resources, all), ...controller.v2(resources)])
      expect(what).toContain(value);
});

test("this host's own groups: controllers, and no mount options among them", () => {
  const { v1, v2 } = readCgroupLayout();
  for (const { controllers, mount } of v1) {
    expect(mount).toStartWith("/");
    expect(controllers.length).toBeGreaterThan(0);
    for (const name of controllers) expect(name).toMatch(/^(name=.+|[a-z_]+)$/);
    for (const option of ["rw", "ro", "xattr"]) expect(controllers).not.toContain(option);
  }
  if (v2) expect(v2.mount).toStartWith("/");
});
