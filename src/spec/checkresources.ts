/** linux.resources of a bundle, or a whole file of it, as `update --resources` takes it. */
import { invalid } from "../errors.ts";
import { checkDeviceRule, deviceName, major, minor } from "./checkdevices.ts";
import type { BlockIo, Resources, Throttle } from "./config.ts";
import { between, defined, entriesOf, Fields, int64, type Read, truth, uint64, word, wrong } from "./json.ts";
import { numberList } from "./numberlist.ts";

/**
 * Amounts for which 0 says nothing (as in the zeros of runc's own example for update) are left out, and so is what has
 * nothing in it.
 * @throws INVALID, with the path of what is wrong
 */
export function checkResources(value: unknown, path: string): Resources {
  const fields = new Fields(value, path);
  const devices = fields.list("devices", checkDeviceRule);
  const hugepageLimits = fields.list("hugepageLimits", checkHugepageLimit);
  return defined({
    devices: devices.length > 0 ? devices : undefined,
    memory: fields.may("memory", (v, p) => unlessEmpty(checkMemory(v, p))),
    cpu: fields.may("cpu", (v, p) => unlessEmpty(checkCpu(v, p))),
    pids: fields.may("pids", checkPids),
    blockIO: fields.may("blockIO", (v, p) => unlessEmpty(checkBlockIo(v, p))),
    hugepageLimits: hugepageLimits.length > 0 ? hugepageLimits : undefined,
    network: fields.may("network", (v, p) => unlessEmpty(checkNetwork(v, p))),
    rdma: fields.may("rdma", checkRdma),
    unified: fields.may("unified", checkUnified),
  });
}

function unlessEmpty<T extends object>(object: T): T | undefined {
  return Object.keys(object).length > 0 ? object : undefined;
}

/** -1 for no limit. */
const bytes: Read<number | undefined> = (value, path) => {
  const amount = int64(value, path);
  if (amount < -1) throw wrong(value, path, "a number of bytes, or -1 for no limit");
  return amount || undefined;
};

function checkMemory(value: unknown, path: string): NonNullable<Resources["memory"]> {
  const fields = new Fields(value, path);
  const memory = defined({
    limit: fields.may("limit", bytes),
    swap: fields.may("swap", bytes),
    reservation: fields.may("reservation", bytes),
    kernel: fields.may("kernel", bytes),
    kernelTCP: fields.may("kernelTCP", bytes),
    swappiness: fields.may("swappiness", swappiness),
    disableOOMKiller: fields.may("disableOOMKiller", truth),
    useHierarchy: fields.may("useHierarchy", truth),
    checkBeforeUpdate: fields.may("checkBeforeUpdate", truth),
  });
  const { limit, swap = -1 } = memory;
  if (limit !== undefined && swap >= 0 && (limit < 0 || swap < limit))
    throw invalid(`${fields.at("swap")}: less than limit`, "it counts memory and swap together");
  return memory;
}

/** 2^64-1 is how -1, for the host's own, arrives through an unsigned number. */
function swappiness(value: unknown, path: string): number | undefined {
  return value === 2n ** 64n - 1n ? undefined : between(0, 100)(value, path);
}

function checkCpu(value: unknown, path: string): NonNullable<Resources["cpu"]> {
  const fields = new Fields(value, path);
  const quota = fields.may("quota", int64) || undefined;
  const cpu = defined({
    shares: fields.may("shares", uint64) || undefined,
    quota: quota === undefined ? undefined : Math.max(quota, -1),
    period: fields.may("period", uint64) || undefined,
    burst: fields.may("burst", uint64),
    realtimeRuntime: fields.may("realtimeRuntime", int64) || undefined,
    realtimePeriod: fields.may("realtimePeriod", uint64) || undefined,
    cpus: fields.may("cpus", numberList),
    mems: fields.may("mems", numberList),
    idle: fields.may("idle", between(0, 1)),
  });
  if (quota !== undefined && quota > 0 && (cpu.burst ?? 0) > quota)
    throw invalid(`${fields.at("burst")}: is more than the quota, ${quota}`);
  return cpu;
}

function checkPids(value: unknown, path: string): Resources["pids"] | undefined {
  const limit = new Fields(value, path).may("limit", int64);
  return limit === undefined ? undefined : { limit: Math.max(limit, -1) };
}

function checkHugepageLimit(value: unknown, path: string) {
  const fields = new Fields(value, path);
  const pageSize = fields.must("pageSize", word);
  if (!/^[1-9]\d*[KMG]B$/.test(pageSize))
    throw invalid(`${fields.at("pageSize")}: ${JSON.stringify(pageSize)} is no size of a page`, "as 64KB, 2MB, 1GB");
  return { pageSize, limit: fields.must("limit", uint64) };
}

const uint32 = between(0, 2 ** 32 - 1);

function checkNetwork(value: unknown, path: string): NonNullable<Resources["network"]> {
  const fields = new Fields(value, path);
  const priorities = fields.list("priorities", (item, at) => {
    const entry = new Fields(item, at);
    return { name: entry.must("name", deviceName), priority: entry.must("priority", uint32) };
  });
  return defined({
    classID: fields.may("classID", uint32),
    priorities: priorities.length > 0 ? priorities : undefined,
  });
}

/** By device, as "mlx5_1". */
function checkRdma(value: unknown, path: string): Resources["rdma"] | undefined {
  const entries = entriesOf(value, path, (item, at, device) => {
    if (!/^[^\s/=]+$/.test(device)) throw invalid(`${at}: ${JSON.stringify(device)} is no name of a device`);
    const fields = new Fields(item, at);
    const limits = defined({
      hcaHandles: fields.may("hcaHandles", uint32),
      hcaObjects: fields.may("hcaObjects", uint32),
    });
    if (!unlessEmpty(limits)) throw invalid(`${at}: says neither hcaHandles nor hcaObjects`);
    return limits;
  });
  return unlessEmpty(Object.fromEntries(entries));
}

function checkUnified(value: unknown, path: string): Resources["unified"] | undefined {
  const entries = entriesOf(value, path, (item, at, file) => {
    if (!/^\w+(\.[\w-]+)+$/.test(file)) throw invalid(`${at}: ${JSON.stringify(file)} is no file of a control group`);
    return word(item, at);
  });
  return unlessEmpty(Object.fromEntries(entries));
}

const weight: Read<number | undefined> = (value, path) => between(0, 65535)(value, path) || undefined;

function checkBlockIo(value: unknown, path: string): BlockIo {
  const fields = new Fields(value, path);
  const weightDevice = fields.list("weightDevice", (item, at) => {
    const entry = new Fields(item, at);
    const weights = defined({
      weight: entry.may("weight", between(0, 65535)),
      leafWeight: entry.may("leafWeight", between(0, 65535)),
    });
    if (!unlessEmpty(weights)) throw invalid(`${at}: says neither weight nor leafWeight`);
    return { ...deviceOf(entry), ...weights };
  });
  const throttle = (name: string) => {
    const found = fields.list(name, checkThrottle);
    return found.length > 0 ? found : undefined;
  };
  return defined({
    weight: fields.may("weight", weight),
    leafWeight: fields.may("leafWeight", weight),
    weightDevice: weightDevice.length > 0 ? weightDevice : undefined,
    throttleReadBpsDevice: throttle("throttleReadBpsDevice"),
    throttleWriteBpsDevice: throttle("throttleWriteBpsDevice"),
    throttleReadIOPSDevice: throttle("throttleReadIOPSDevice"),
    throttleWriteIOPSDevice: throttle("throttleWriteIOPSDevice"),
  });
}

function checkThrottle(value: unknown, path: string): Throttle {
  const fields = new Fields(value, path);
  return { ...deviceOf(fields), rate: fields.must("rate", uint64) };
}

function deviceOf(fields: Fields) {
  return { major: fields.must("major", major), minor: fields.must("minor", minor) };
}
