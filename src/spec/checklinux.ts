/** linux of a bundle. */
import { invalid } from "../errors.ts";
import { checkDevice, checkNetDevices } from "./checkdevices.ts";
import { checkIntelRdt } from "./checkintelrdt.ts";
import { checkMemoryPolicy } from "./checkmemorypolicy.ts";
import { checkMappings, checkNamespaces, checkTimeOffsets } from "./checknamespaces.ts";
import { checkResources } from "./checkresources.ts";
import type { Linux, NamespaceType } from "./config.ts";
import { absolute, defined, Fields, oneOf, said, word } from "./json.ts";
import { checkSeccomp } from "./seccomp.ts";
import { checkSysctls } from "./sysctls.ts";

/** @param isOwn see ConfigHost */
export function checkLinux(value: unknown, path: string, isOwn: (type: NamespaceType, path: string) => boolean): Linux {
  const fields = new Fields(value, path);
  const namespaces = fields.may("namespaces", checkNamespaces) ?? [];
  const apart = (type: NamespaceType) =>
    namespaces.some((n) => n.type === type && (n.path === undefined || !isOwn(type, n.path)));
  const devices = fields.list("devices", checkDevice);
  const linux = defined({
    namespaces,
    ...checkMappings(fields, namespaces),
    devices: devices.length > 0 ? devices : undefined,
    netDevices: fields.may("netDevices", checkNetDevices),
    resources: fields.may("resources", checkResources) ?? {},
    cgroupsPath: fields.may("cgroupsPath", word) ?? "",
    rootfsPropagation: fields.may("rootfsPropagation", checkPropagation),
    maskedPaths: fields.list("maskedPaths", absolute),
    readonlyPaths: fields.list("readonlyPaths", absolute),
    seccomp: fields.may("seccomp", checkSeccomp),
    sysctl: fields.may("sysctl", (v, p) => checkSysctls(v, p, apart)),
    timeOffsets: fields.may("timeOffsets", (v, p) => checkTimeOffsets(v, p, namespaces)),
    mountLabel: fields.may("mountLabel", said),
    personality: fields.may("personality", checkPersonality),
    memoryPolicy: fields.may("memoryPolicy", checkMemoryPolicy),
    intelRdt: fields.may("intelRdt", checkIntelRdt),
  });
  for (const name of ["maskedPaths", "readonlyPaths"] as const)
    if (linux[name].length > 0 && !apart("mount"))
      throw invalid(
        `${fields.at(name)}: the mount namespace is the host's`,
        'add {"type": "mount"}, or leave them out',
      );
  if (linux.netDevices && !apart("network"))
    throw invalid(`${fields.at("netDevices")}: the network namespace is the host's`, 'add {"type": "network"}');
  return linux;
}

const PROPAGATIONS = ["private", "shared", "slave", "unbindable"] as const;

/** With an "r" before it, as engines write it, it is the same: below the root is nothing but the container's own. */
function checkPropagation(value: unknown, path: string): Linux["rootfsPropagation"] {
  const name = said(value, path);
  if (name === undefined) return undefined;
  const [, plain = name] = /^r(\w+)$/.exec(name) ?? [];
  return oneOf((PROPAGATIONS as readonly string[]).includes(plain) ? plain : name, path, PROPAGATIONS);
}

function checkPersonality(value: unknown, path: string): NonNullable<Linux["personality"]> {
  const fields = new Fields(value, path);
  const flags = fields.list("flags", word);
  if (flags.length > 0)
    throw invalid(
      `${fields.at("flags")}: ${JSON.stringify(flags[0])} is not known`,
      "the specification has no flags yet",
    );
  return { domain: fields.must("domain", (v, p) => oneOf(v, p, ["LINUX", "LINUX32"])) };
}
