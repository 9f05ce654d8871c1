/** `features`: what of config.json this runtime knows and does. https://github.com/opencontainers/runtime-spec/blob/main/features.md */
import { CONTROLLERS } from "../cgroup/controllers.ts";
import { CAPABILITIES, capabilityName } from "../linux/capabilities.ts";
import { knownMountOptions } from "../plan/mountoptions.ts";
import { HOOK_KINDS, MEMORY_POLICY_FLAGS, MEMORY_POLICY_MODES, NAMESPACE_TYPES } from "../spec/config.ts";
import { OCI_VERSION, OLDEST_OCI_VERSION } from "../spec/ociversion.ts";
import { SECCOMP_ACTIONS, SECCOMP_ARCHES, SECCOMP_FLAGS, SECCOMP_OPS } from "../spec/seccomp.ts";
import { VERSION } from "../version.ts";

/** The Features structure: JSON as it stands. */
export interface Features {
  ociVersionMin: string;
  ociVersionMax: string;
  hooks: string[];
  mountOptions: string[];
  linux: {
    namespaces: string[];
    capabilities: string[];
    cgroup: { v1: boolean; v2: boolean; systemd: boolean; systemdUser: boolean; rdma: boolean };
    seccomp: {
      enabled: boolean;
      actions: string[];
      operators: string[];
      archs: string[];
      knownFlags: string[];
      supportedFlags: string[];
    };
    apparmor: { enabled: boolean };
    selinux: { enabled: boolean };
    intelRdt: { enabled: boolean; schemata: boolean; monitoring: boolean };
    /** Without it, policies are read and not carried out. */
    memoryPolicy?: { modes: string[]; flags: string[] };
    mountExtensions: { idmap: { enabled: boolean } };
    netDevices: { enabled: boolean };
  };
  annotations: Record<string, string>;
  /** Annotations by which a bundle changes what the runtime does. */
  potentiallyUnsafeConfigAnnotations: string[];
}

export const featuresText = () => `${JSON.stringify(features(), null, 4)}\n`;

/** Nothing of it depends on the host: see features-linux.md. A kernel that this runtime needs (5.19) has all seccomp flags. */
export function features(): Features {
  return {
    ociVersionMin: OLDEST_OCI_VERSION,
    ociVersionMax: OCI_VERSION,
    hooks: [...HOOK_KINDS],
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: [...NAMESPACE_TYPES].sort(),
      capabilities: CAPABILITIES.map((_, bit) => capabilityName(bit)),
      cgroup: {
        v1: true,
        v2: true,
        systemd: true,
        systemdUser: false,
        rdma: CONTROLLERS.some(({ name }) => name === "rdma"),
      },
      seccomp: {
        enabled: true,
        actions: [...SECCOMP_ACTIONS].sort(),
        operators: [...SECCOMP_OPS].sort(),
        archs: [...SECCOMP_ARCHES].sort(),
        knownFlags: [...SECCOMP_FLAGS].sort(),
        supportedFlags: [...SECCOMP_FLAGS].sort(),
      },
      apparmor: { enabled: true },
      selinux: { enabled: true },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: [...MEMORY_POLICY_MODES].sort(), flags: [...MEMORY_POLICY_FLAGS].sort() },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: { "dev.vitrine.version": VERSION, "dev.vitrine.checkpoint.enabled": "true" }, // where criu works
    potentiallyUnsafeConfigAnnotations: [],
  };
}
