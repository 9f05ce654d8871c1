import { describe, expect, test } from "bun:test";
import { changed, WHOLE } from "../../test/bundles.ts";
import { refusal } from "../../test/facts.ts";
import { parseConfig } from "./checkconfig.ts";
import { checkResources } from "./checkresources.ts";
import type { Resources } from "./config.ts";

const { resources } = WHOLE.linux;
const read = (text: string): unknown => checkResources(parseConfig(text), "$");

test("come back as they stand", () => {
  expect(checkResources(resources, "$") as unknown).toEqual(resources);
});

describe("zeros", () => {
  test("of amounts say nothing, as in a file for update that names everything", () => {
    const zeros = {
      memory: { limit: 0, reservation: 0, swap: 0, kernel: 0, kernelTCP: 0 },
      cpu: { shares: 0, quota: 0, period: 0, realtimeRuntime: 0, realtimePeriod: 0, cpus: "", mems: "" },
      blockIO: { weight: 0, leafWeight: 0 },
    };
    expect(checkResources(zeros, "$")).toEqual({});
  });
  test("of the others are numbers", () => {
    const zeros = {
      memory: { swappiness: 0 },
      cpu: { idle: 0, burst: 0 },
      pids: { limit: 0 },
      network: { classID: 0 },
      hugepageLimits: [{ pageSize: "1GB", limit: 0 }],
      rdma: { a: { hcaObjects: 0 } },
      blockIO: {
        weightDevice: [{ major: 8, minor: 0, weight: 0 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 0 }],
      },
    };
    expect(checkResources(zeros, "$")).toEqual(zeros);
  });
});

describe("no limit", () => {
  test.each<[string, Resources]>([
    ['{"memory":{"limit":-1,"swap":-1}}', { memory: { limit: -1, swap: -1 } }],
    ['{"memory":{"limit":5,"swap":-1}}', { memory: { limit: 5, swap: -1 } }],
    ['{"cpu":{"quota":-1}}', { cpu: { quota: -1 } }],
    ['{"cpu":{"quota":-1000,"burst":5}}', { cpu: { quota: -1, burst: 5 } }],
    ['{"pids":{"limit":-1}}', { pids: { limit: -1 } }],
    ['{"pids":{"limit":-9223372036854775808}}', { pids: { limit: -1 } }],
    ['{"memory":{"swappiness":18446744073709551615}}', {}],
  ])("%s", (text, is) => expect(read(text)).toEqual(is));
});

describe("numbers beyond 2^53", () => {
  test.each([
    ["9007199254740991", "9007199254740991"],
    ["9223372036854771712", "9223372036854771712"],
    ["9223372036854775807", "9223372036854774784"],
    ["18446744073709551615", "9223372036854774784"],
  ])("%s is written as digits that the kernel takes", (asked, is) => {
    const { hugepageLimits } = read(`{"hugepageLimits":[{"pageSize":"2MB","limit":${asked}}]}`) as Resources;
    const limit = hugepageLimits?.[0]?.limit ?? 0;
    expect(`${BigInt(limit)}`).toBe(is);
    const written = BigInt(`${limit}`);
    expect(written < 2n ** 63n).toBe(true);
    expect(written / 4096n).toBe(BigInt(is) / 4096n);
  });
  test.each([
    ['{"memory":{"limit":9223372036854775808}}', "$.memory.limit: 9223372036854775808 is not a whole number from -"],
    ['{"cpu":{"shares":18446744073709551616}}', "$.cpu.shares: 18446744073709551616 is not a whole number from 0 to"],
    ['{"pids":{"limit":-9223372036854775809}}', "$.pids.limit: -9223372036854775809 is not"],
    ['{"pids":{"limit":1e400}}', "$.pids.limit: Infinity is not a whole number"],
  ])("%s is refused", (text, message) => expect(refusal(() => read(text)).message).toStartWith(message));
});

const REFUSED: readonly (readonly [string, unknown, string])[] = [
  ["$.memory", 5, "5 is not an object"],
  ["$.memory.limit", -2, "-2 is not a number of bytes, or -1 for no limit"],
  ["$.memory.limit", "64m", '"64m" is not a whole number'],
  ["$.memory.limit", 1.5, "1.5 is not a whole number"],
  ["$.memory.swap", 5, "less than limit"],
  ["$.memory.limit", -1, "$.memory.swap: less than limit"],
  ["$.memory.swappiness", 101, "101 is not a whole number from 0 to 100"],
  ["$.memory.disableOOMKiller", 1, "1 is not true or false"],
  ["$.memory.kernel", -3, "-3 is not"],
  ["$.cpu.shares", -1, "-1 is not a whole number from 0 to 18446744073709551615"],
  ["$.cpu.period", -1, "-1 is not"],
  ["$.cpu.quota", "1", '"1" is not'],
  ["$.cpu.burst", 50001, "is more than the quota, 50000"],
  ["$.cpu.cpus", "0-", '"0-" is not a list of numbers'],
  ["$.cpu.cpus", "1-0", '"1-0" ends before it begins'],
  ["$.cpu.mems", 0, "0 is not a string"],
  ["$.cpu.idle", 2, "2 is not a whole number from 0 to 1"],
  ["$.pids", [], "[] is not an object"],
  ["$.pids.limit", "5", '"5" is not'],
  ["$.devices[0].allow", undefined, "is missing"],
  ["$.devices[0].allow", "no", '"no" is not true or false'],
  ["$.devices[1].type", "p", '"p" is not one of a, c, b'],
  ["$.devices[1].major", -2, "-2 is not a whole number from -1 to 4095"],
  ["$.devices[1].minor", 1048576, "1048576 is not"],
  ["$.devices[1].access", "rx", '"rx" is not made of r, w and m'],
  ["$.blockIO.weight", 65536, "65536 is not a whole number from 0 to 65535"],
  ["$.blockIO.weightDevice[0].weight", undefined, "$.blockIO.weightDevice[0]: says neither weight nor leafWeight"],
  ["$.blockIO.weightDevice[0].major", undefined, "is missing"],
  ["$.blockIO.throttleReadBpsDevice[0].rate", undefined, "is missing"],
  ["$.blockIO.throttleReadBpsDevice[0].rate", -1, "-1 is not"],
  ["$.blockIO.throttleReadBpsDevice[0].minor", -1, "-1 is not"],
  ["$.blockIO.throttleWriteIOPSDevice", [5], "$.blockIO.throttleWriteIOPSDevice[0]: 5 is not an object"],
  ["$.hugepageLimits[0].pageSize", "2", '"2" is no size of a page'],
  ["$.hugepageLimits[0].pageSize", "02MB", '"02MB" is no size of a page'],
  ["$.hugepageLimits[0].pageSize", "2MB/../x", "is no size of a page"],
  ["$.hugepageLimits[0].limit", undefined, "is missing"],
  ["$.network.classID", 2 ** 32, "4294967296 is not"],
  ["$.network.priorities[0].name", "e th", '"e th" is no name of a network device'],
  ["$.network.priorities[0].name", undefined, "is missing"],
  ["$.network.priorities[0].priority", -1, "-1 is not"],
  ["$.rdma.mlx5_1", {}, "says neither hcaHandles nor hcaObjects"],
  ["$.rdma.mlx5_1.hcaHandles", 2 ** 32, "4294967296 is not"],
  ['$.rdma["a b"]', { hcaObjects: 1 }, '"a b" is no name of a device'],
  ['$.unified["../cgroup.procs"]', "0", '"../cgroup.procs" is no file of a control group'],
  ['$.unified["memory.max/x"]', "0", '"memory.max/x" is no file'],
  ["$.unified.tasks", "0", '"tasks" is no file'],
  ['$.unified["memory.max"]', 5, "5 is not a string"],
  ['$.unified["memory.max"]', "a\0", "without NUL"],
];

describe("refused, with its path", () => {
  test.each(REFUSED)("%s: %j", (path, value, said) => {
    const { code, message } = refusal(() => checkResources(changed(resources, path, value), "$"));
    expect(code).toBe("INVALID");
    if (said.startsWith("$")) expect(message).toStartWith(said);
    else {
      expect(message).toStartWith(`${path}: `);
      expect(message).toContain(said);
    }
  });
});
