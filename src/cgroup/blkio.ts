import type { Resources, Throttle } from "../spec/config.ts";
import type { Controller, Setting } from "./setting.ts";

/** Block devices: weights, and limits on bytes and operations a second. Kernel: cgroup-v1/blkio-controller.rst, cgroup-v2.rst. */
export const blkio: Controller = {
  name: "blkio",
  nameV2: "io",
  v1({ blockIO = {} }, has) {
    const { weight, leafWeight, weightDevice = [] } = blockIO;
    // The weights of v1 are BFQ's since Linux 5.0.
    const own = has("blkio.weight") ? "blkio." : "blkio.bfq.";
    const settings: Setting[] = [];
    if (weight) settings.push({ file: `${own}weight`, value: `${weight}`, what: `weight ${weight} at block devices` });
    if (leafWeight)
      settings.push({
        file: "blkio.leaf_weight",
        value: `${leafWeight}`,
        what: `weight ${leafWeight} against groups below`,
      });
    for (const { major, minor, weight, leafWeight } of weightDevice) {
      const device = `${major}:${minor}`;
      if (weight)
        settings.push({
          file: `${own}weight_device`,
          value: `${device} ${weight}`,
          what: `weight ${weight} at ${device}`,
        });
      if (leafWeight)
        settings.push({
          file: "blkio.leaf_weight_device",
          value: `${device} ${leafWeight}`,
          what: `weight ${leafWeight} against groups below at ${device}`,
        });
    }
    for (const [file, , what, list] of throttles(blockIO))
      for (const { major, minor, rate } of list)
        settings.push({
          file: `blkio.throttle.${file}`,
          value: `${major}:${minor} ${rate}`,
          what: `${what} ${rate} at ${major}:${minor}`,
        });
    return settings;
  },
  v2({ blockIO = {} }) {
    const { weight, weightDevice = [] } = blockIO;
    const settings: Setting[] = [];
    if (weight) {
      const io = ioWeight(weight);
      settings.push({ file: "io.weight", value: `default ${io}`, what: `weight ${io} at block devices` });
    }
    for (const { major, minor, weight } of weightDevice)
      if (weight)
        settings.push({
          file: "io.weight",
          value: `${major}:${minor} ${ioWeight(weight)}`,
          what: `weight ${ioWeight(weight)} at ${major}:${minor}`,
        });
    for (const [, key, what, list] of throttles(blockIO))
      for (const { major, minor, rate } of list)
        settings.push({
          file: "io.max",
          value: `${major}:${minor} ${key}=${rate || "max"}`,
          what: `${what} ${rate} at ${major}:${minor}`,
        });
    return settings;
  },
};

/** Weights of v1 (10 to 1000) on the scale of v2 (1 to 10000): the mapping that runc and systemd use. */
export function ioWeight(weight: number): number {
  return 1 + Math.floor(((weight - 10) * 9999) / 990);
}

type Limits = NonNullable<Resources["blockIO"]>;

function throttles(io: Limits): [file: string, key: string, what: string, list: readonly Throttle[]][] {
  return [
    ["read_bps_device", "rbps", "bytes read a second", io.throttleReadBpsDevice ?? []],
    ["write_bps_device", "wbps", "bytes written a second", io.throttleWriteBpsDevice ?? []],
    ["read_iops_device", "riops", "reads a second", io.throttleReadIOPSDevice ?? []],
    ["write_iops_device", "wiops", "writes a second", io.throttleWriteIOPSDevice ?? []],
  ];
}
