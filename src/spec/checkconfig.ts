import type { HostFacts } from "../linux/facts.ts";
import type { Config, Process } from "./config.ts";

const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
export function parseConfig(text: string): unknown {
  return JSON.parse(text);
}
export function checkProcess(value: unknown, _: string): Process {
  const p = value as Process;
  return {
    ...p,
    env: p.env ?? [],
    user: p.user ?? { uid: 0, gid: 0 },
    capabilities: { ...none, ...p.capabilities },
    noNewPrivileges: p.noNewPrivileges ?? false,
  };
}
export function checkConfig(
  value: unknown,
  _: HostFacts,
): { config: Omit<Config, "process"> & { process?: Process }; warnings: string[] } {
  const c = value as Config;
  const l = c.linux ?? {};
  return {
    warnings: [],
    config: {
      ...c,
      mounts: c.mounts ?? [],
      process: checkProcess(c.process, ""),
      linux: {
        ...l,
        namespaces: l.namespaces ?? [],
        resources: l.resources ?? {},
        cgroupsPath: l.cgroupsPath ?? "",
        maskedPaths: l.maskedPaths ?? [],
        readonlyPaths: l.readonlyPaths ?? [],
      },
    },
  };
}
