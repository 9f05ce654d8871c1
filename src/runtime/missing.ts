/** Properties of config.json that no planner carries out yet: refused, never passed over. */
import { VitrineError } from "../errors.ts";
import type { Config, Process } from "../spec/config.ts";

/** @throws UNSUPPORTED with the JSON path of the first one. @param at path of the config: "$" */
export function refuseMissing({ process, linux, mounts }: Config, at = "$"): void {
  refuseMissingOf(process, `${at}.process`);
  const mapped = mounts.findIndex((mount) => mount.uidMappings !== undefined);
  const { seccomp } = linux;
  const asks = seccomp?.syscalls?.some((rule) => rule.action === "SCMP_ACT_NOTIFY");
  refuse([
    [`${at}.mounts[${mapped}].uidMappings`, mapped >= 0 || undefined],
    [`${at}.linux.netDevices`, linux.netDevices],
    [`${at}.linux.personality`, linux.personality],
    [`${at}.linux.memoryPolicy`, linux.memoryPolicy],
    [`${at}.linux.intelRdt`, linux.intelRdt],
    [`${at}.linux.mountLabel`, linux.mountLabel],
    [`${at}.linux.seccomp.listenerPath`, asks ? seccomp?.listenerPath : undefined],
  ]);
}

/** The same for a process alone. */
export function refuseMissingOf(process: Process, at: string): void {
  const { scheduler } = process;
  const plain = scheduler === undefined || (scheduler.policy === "SCHED_OTHER" && !scheduler.flags?.length);
  refuse([
    [`${at}.scheduler.policy`, plain ? undefined : scheduler.policy],
    [`${at}.ioPriority`, process.ioPriority],
    [`${at}.execCPUAffinity`, process.execCPUAffinity],
    [`${at}.apparmorProfile`, process.apparmorProfile],
    [`${at}.selinuxLabel`, process.selinuxLabel],
  ]);
}

function refuse(properties: readonly (readonly [path: string, value: unknown])[]): void {
  const [found] = properties.find(([, value]) => value !== undefined && value !== "") ?? [];
  if (found !== undefined)
    throw new VitrineError("UNSUPPORTED", `${found}: is not there yet`, { hint: "leave it out" });
}
