import { describe, expect, test } from "bun:test";
import { HYBRID, PLAIN, refusal } from "../../test/facts.ts";
import type { RunOptions } from "./options.ts";
import { resourcesOf } from "./resources.ts";

const of = (options: Partial<RunOptions>) => resourcesOf({ ...PLAIN, ...options }, HYBRID);

describe("limits", () => {
  test.each([
    [{ memory: "64m" }, { memory: { limit: 67108864, swap: 134217728 } }],
    [{ memory: "64m", memorySwap: "-1" }, { memory: { limit: 67108864, swap: -1 } }],
    [{ memory: "64m", memorySwap: "64m" }, { memory: { limit: 67108864, swap: 67108864 } }],
    [{ memory: "64m", memorySwap: "0" }, { memory: { limit: 67108864, swap: 134217728 } }],
    [{ memoryReservation: "32m" }, { memory: { reservation: 33554432 } }],
    [{ memorySwappiness: "0" }, { memory: { swappiness: 0 } }],
    [{ memorySwappiness: "-1" }, {}],
    [{ memory: "64m", oomKillDisable: true }, { memory: { limit: 67108864, swap: 134217728, disableOOMKiller: true } }],
    [{ cpuPeriod: "50000", cpuQuota: "25000" }, { cpu: { period: 50000, quota: 25000 } }],
    [{ cpuQuota: "-1" }, { cpu: { quota: -1 } }],
    [{ cpuQuota: "0" }, {}],
    [{ memory: "0", memorySwap: "0", memoryReservation: "0", cpus: "0", cpuShares: "0", cpuPeriod: "0" }, {}],
    [{ cpus: "0", cpuPeriod: "0", cpuQuota: "20000" }, { cpu: { quota: 20000 } }],
    [{ cpusetCpus: "0-2,3" }, { cpu: { cpus: "0-2,3" } }],
    [{ cpusetMems: "0" }, { cpu: { mems: "0" } }],
  ] as const)("%j", (options, expected) => expect(of(options)).toEqual({ ...expected, pids: { limit: 2048 } }));

  test.each([
    [{ memory: "64m", memorySwap: "32m" }, "less than --memory"],
    [{ memorySwap: "1g" }, "goes with --memory only"],
    [{ memory: "64m", memoryReservation: "1g" }, "more than --memory"],
    [{ memorySwappiness: "101" }, "not a whole number (0 to 100)"],
    [{ memory: "0", oomKillDisable: true }, "goes with --memory only"],
    [{ memory: "64m", memorySwap: "0b" }, "less than --memory"],
    [{ cpuQuota: "-2" }, "not a whole number (-1 or more)"],
    [{ oomKillDisable: true }, "goes with --memory only"],
    [{ cpus: "1", cpuQuota: "50000" }, "goes with neither"],
    [{ cpuPeriod: "10" }, "not a whole number (1000 to 1000000)"],
    [{ cpuQuota: "10" }, "the least is 1000"],
    [{ cpusetCpus: "4" }, "this host has 0 to 3"],
    [{ cpusetCpus: "2-1" }, "ends before it begins"],
    [{ cpusetCpus: "0,,1" }, "not a list of numbers"],
    [{ cpusetCpus: "" }, "not a list of numbers"],
    [{ cpusetCpus: "0;rm" }, "not a list of numbers"],
  ] as const)("%j is refused", (options, message) => {
    const { code, message: said } = refusal(() => of(options));
    expect(code).toBe("INVALID");
    expect(said).toContain(message);
  });
});
