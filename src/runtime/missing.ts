/** Properties of config.json that no planner carries out yet: refused, never passed over. */
import { VitrineError } from "../errors.ts";
import type { Config, Process } from "../spec/config.ts";

/** @throws UNSUPPORTED with the JSON path of the first one. @param at path of the config: "$" */
export function refuseMissing({ process, linux }: Config, at = "$"): void {
  refuseMissingOf(process, `${at}.process`);
  refuse([
    [`${at}.linux.netDevices`, linux.netDevices],
    [`${at}.linux.intelRdt`, linux.intelRdt],
    [`${at}.linux.mountLabel`, linux.mountLabel],
  ]);
}

/** The same for a process alone. */
export function refuseMissingOf(process: Process, at: string): void {
  refuse([
    [`${at}.apparmorProfile`, process.apparmorProfile],
    [`${at}.selinuxLabel`, process.selinuxLabel],
  ]);
}

function refuse(properties: readonly (readonly [path: string, value: unknown])[]): void {
  const [found] = properties.find(([, value]) => value !== undefined && value !== "") ?? [];
  if (found !== undefined)
    throw new VitrineError("UNSUPPORTED", `${found}: is not there yet`, { hint: "leave it out" });
}
