/** Labels of security modules in a bundle: a kernel without the module cannot keep them. */
import { existsSync, readFileSync } from "node:fs";
import { VitrineError } from "../errors.ts";
import type { Process } from "../spec/config.ts";

/** @param at path of the process in the config. @throws UNSUPPORTED with the JSON path of the property */
export function checkLabels({ apparmorProfile, selinuxLabel }: Process, at: string, mountLabel?: string): void {
  if (apparmorProfile && !hasApparmor()) throw lacking(`${at}.apparmorProfile`, "AppArmor");
  if (selinuxLabel && !hasSelinux()) throw lacking(`${at}.selinuxLabel`, "SELinux");
  if (mountLabel && !hasSelinux()) throw lacking("$.linux.mountLabel", "SELinux");
}

function hasApparmor(): boolean {
  try {
    return readFileSync("/sys/module/apparmor/parameters/enabled", "latin1").startsWith("Y");
  } catch {
    return false;
  }
}

const hasSelinux = () => existsSync("/sys/fs/selinux/enforce");

function lacking(path: string, name: string): VitrineError {
  return new VitrineError("UNSUPPORTED", `${path}: ${name} is not switched on in this kernel`, {
    hint: "leave it out, or boot with it",
  });
}
