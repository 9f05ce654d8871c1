/** Which device nodes may be opened or made. Kernel: cgroup-v1/devices.rst. */
import type { DeviceRule, Resources } from "../spec/config.ts";

/** Every container may use these, and make any node: config-linux.md, "Default Devices", and runc's list. */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[3, 5, 7, 8, 9].map((minor): DeviceRule => ({ allow: true, type: "c", major: 1, minor, access: "rwm" })),
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" },
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" },
  { allow: true, type: "c", major: 136, access: "rwm" },
];

export interface Rule {
  readonly allow: boolean;
  readonly type: "a" | "c" | "b";
  /** -1 for all. */
  readonly major: number;
  readonly minor: number;
  readonly access: string;
}

/** A later rule wins; what no rule is about is denied. */
export function deviceRules({ devices = [] }: Resources): Rule[] {
  return [...devices, ...ALWAYS].map(({ allow, type = "a", major = -1, minor = -1, access = "rwm" }) => ({
    allow,
    type,
    major,
    minor,
    access: access === "" ? "rwm" : access,
  }));
}

/** Writes to files of a v1 group, in this order; the file "devices.deny" or "devices.allow". */
export function deviceWrites(resources: Resources): [file: string, value: string][] {
  const number = (n: number) => (n < 0 ? "*" : `${n}`);
  const writes: [string, string][] = [["devices.deny", "a"]];
  for (const { allow, type, major, minor, access } of deviceRules(resources)) {
    const file = allow ? "devices.allow" : "devices.deny";
    if (type !== "a") writes.push([file, `${type} ${number(major)}:${number(minor)} ${access}`]);
    else if (major < 0 && minor < 0 && access.length === 3) writes.push([file, "a"]);
    else for (const t of ["c", "b"]) writes.push([file, `${t} ${number(major)}:${number(minor)} ${access}`]);
  }
  return writes;
}
