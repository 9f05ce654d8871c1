import { VitrineError } from "../errors.ts";
import type { Controller } from "./setting.ts";

const DEFAULT_PERIOD = 100_000;

/** CPU time: a weight against others, and a quota in each period. Kernel: scheduler/sched-bwc.rst, cgroup-v2.rst. */
export const cpu: Controller = {
  name: "cpu",
  v1({ cpu }) {
    const settings = [];
    if (cpu?.shares !== undefined)
      settings.push({ file: "cpu.shares", value: `${cpu.shares}`, what: `CPU shares ${cpu.shares}` });
    if (cpu?.period !== undefined)
      settings.push({ file: "cpu.cfs_period_us", value: `${cpu.period}`, what: `CPU period ${cpu.period} µs` });
    if (cpu?.quota !== undefined)
      settings.push({ file: "cpu.cfs_quota_us", value: `${cpu.quota}`, what: `CPU quota ${cpu.quota} µs a period` });
    if (cpu?.burst !== undefined)
      settings.push({ file: "cpu.cfs_burst_us", value: `${cpu.burst}`, what: `CPU burst ${cpu.burst} µs` });
    if (cpu?.realtimePeriod !== undefined)
      settings.push({
        file: "cpu.rt_period_us",
        value: `${cpu.realtimePeriod}`,
        what: `realtime period ${cpu.realtimePeriod} µs`,
      });
    if (cpu?.realtimeRuntime !== undefined)
      settings.push({
        file: "cpu.rt_runtime_us",
        value: `${cpu.realtimeRuntime}`,
        what: `realtime ${cpu.realtimeRuntime} µs a period`,
      });
    if (cpu?.idle !== undefined)
      settings.push({
        file: "cpu.idle",
        value: `${cpu.idle}`,
        what: cpu.idle ? "CPU time that nobody else wants" : "not idle",
      });
    return settings;
  },
  v2({ cpu }) {
    if (cpu?.realtimePeriod !== undefined || cpu?.realtimeRuntime !== undefined)
      throw new VitrineError("LIMIT_UNAVAILABLE", "cgroup v2 has no realtime limits", { hint: "leave them out" });
    const settings = [];
    if (cpu?.shares !== undefined) {
      const weight = weightOfShares(cpu.shares);
      settings.push({ file: "cpu.weight", value: `${weight}`, what: `CPU weight ${weight} (shares ${cpu.shares})` });
    }
    if (cpu?.quota !== undefined || cpu?.period !== undefined) {
      const quota = cpu.quota === undefined || cpu.quota <= 0 ? "max" : `${cpu.quota}`;
      const value = `${quota} ${cpu.period ?? DEFAULT_PERIOD}`;
      settings.push({ file: "cpu.max", value, what: `CPU quota and period ${value} µs` });
    }
    if (cpu?.burst !== undefined)
      settings.push({ file: "cpu.max.burst", value: `${cpu.burst}`, what: `CPU burst ${cpu.burst} µs` });
    if (cpu?.idle !== undefined)
      settings.push({
        file: "cpu.idle",
        value: `${cpu.idle}`,
        what: cpu.idle ? "CPU time that nobody else wants" : "not idle",
      });
    return settings;
  },
};

/** v1 shares (2 to 262144, 1024 is normal) on the scale of v2 weights (1 to 10000): the mapping that runc and systemd use. */
export function weightOfShares(shares: number): number {
  const clamped = Math.min(Math.max(shares, 2), 262144);
  return 1 + Math.floor(((clamped - 2) * 9999) / 262142);
}
