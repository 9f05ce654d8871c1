import { describe, expect, test } from "bun:test";
import { HYBRID, refusal } from "../../test/facts.ts";
import { type AskedLimits, changeLimits } from "./changedlimits.ts";
import { DEFAULT_RUN, type RunOptions } from "./options.ts";

const change = (before: Partial<RunOptions>, asked: AskedLimits) =>
  changeLimits({ ...DEFAULT_RUN, ...before }, asked, HYBRID);
const M = 2 ** 20;

describe("limits that change", () => {
  test("only what is asked for is written; the rest stays as it was asked for", () => {
    const { options, resources, written } = change({ cpus: "1", memory: "64m" }, { memory: "128m" });
    expect(written).toEqual({ memory: { limit: 128 * M, swap: 256 * M } });
    expect(options).toMatchObject({ cpus: "1", memory: "128m" });
    expect(resources).toEqual({
      memory: { limit: 128 * M, swap: 256 * M },
      cpu: { period: 100_000, quota: 100_000 },
      pids: { limit: 2048 },
    });
  });

  test("0 takes a limit away", () => {
    const all = { memory: "64m", memorySwap: "-1", memoryReservation: "32m", cpus: "1", cpuShares: "100" };
    const { options, written } = change(all, { memory: "0", memoryReservation: "0", cpus: "0", cpuShares: "0" });
    expect(written).toEqual({
      memory: { limit: -1, swap: -1, reservation: -1 },
      cpu: { period: 100_000, quota: -1, shares: 1024 },
    });
    expect([options.memory, options.memorySwap, options.cpus, options.cpuShares]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    expect(change({ cpusetCpus: "1" }, { cpusetCpus: "0" }).written).toEqual({ cpu: { cpus: "0" } });
    expect(change({}, { pidsLimit: "0" }).written).toEqual({ pids: { limit: -1 } });
    expect(change({}, { pidsLimit: "-1" }).written).toEqual({ pids: { limit: -1 } });
  });

  test("a quota and a number of CPUs replace each other", () => {
    expect(change({ cpus: "1" }, { cpuQuota: "50000" }).options).toMatchObject({ cpus: undefined, cpuQuota: "50000" });
    expect(change({ cpuPeriod: "50000", cpuQuota: "50000" }, { cpus: "0.5" }).written).toEqual({
      cpu: { period: 100_000, quota: 50_000 },
    });
  });

  test.each<[Partial<RunOptions>, AskedLimits, RegExp]>([
    [{}, { memory: "1m" }, /the least is 6m/],
    [{ memory: "64m", memorySwap: "128m" }, { memory: "256m" }, /less than --memory/],
    [{}, { memorySwap: "64m" }, /goes with --memory only/],
    [{}, { cpus: "1000" }, /not a number from/],
    [{}, { cpusetCpus: "99999" }, /this host has/],
    [{}, { pidsLimit: "many" }, /not a whole number/],
  ])("%j with %j is refused", (before, asked, message) => {
    expect(refusal(() => change(before, asked)).message).toMatch(message);
  });
});
