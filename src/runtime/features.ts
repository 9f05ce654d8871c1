/** `features`: what of config.json this runtime knows and does. https://github.com/opencontainers/runtime-spec/blob/main/features.md */
import { CONTROLLERS } from "../cgroup/controllers.ts";
import { CAPABILITIES, capabilityName } from "../linux/capabilities.ts";
import type { HostFacts } from "../linux/facts.ts";
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

export interface FeaturesHost extends Pick<HostFacts, "kernel" | "lastCapability"> {
  /** Whether the kernel has these security modules switched on. */
  readonly apparmor: boolean;
  readonly selinux: boolean;
}

/** Properties that planners carry out: the test of this file plans with and without each. */
export const CARRIED_OUT = {
  apparmorProfile: false,
  selinuxLabel: false,
  intelRdt: false,
  memoryPolicy: true,
  mountMappings: true,
  netDevices: false,
} as const;

export function features(host: FeaturesHost): Features {
  const bits = CAPABILITIES.map((_, bit) => bit).filter((bit) => bit <= host.lastCapability);
  return {
    ociVersionMin: OLDEST_OCI_VERSION,
    ociVersionMax: OCI_VERSION,
    hooks: [...HOOK_KINDS],
    mountOptions: knownMountOptions(),
    linux: {
      namespaces: [...NAMESPACE_TYPES].sort(),
      capabilities: bits.map(capabilityName),
      cgroup: {
        v1: true,
        v2: true,
        systemd: false,
        systemdUser: false,
        rdma: CONTROLLERS.some(({ name }) => name === "rdma"),
      },
      seccomp: {
        enabled: true,
        actions: [...SECCOMP_ACTIONS].sort(),
        operators: [...SECCOMP_OPS].sort(),
        archs: [...SECCOMP_ARCHES].sort(),
        knownFlags: [...SECCOMP_FLAGS].sort(),
        supportedFlags: SECCOMP_FLAGS.filter((flag) => atLeast(host.kernel, SINCE[flag] ?? [0, 0])).sort(),
      },
      apparmor: { enabled: CARRIED_OUT.apparmorProfile && host.apparmor },
      selinux: { enabled: CARRIED_OUT.selinuxLabel && host.selinux },
      intelRdt: { enabled: CARRIED_OUT.intelRdt, schemata: CARRIED_OUT.intelRdt, monitoring: CARRIED_OUT.intelRdt },
      ...(CARRIED_OUT.memoryPolicy
        ? { memoryPolicy: { modes: [...MEMORY_POLICY_MODES].sort(), flags: [...MEMORY_POLICY_FLAGS].sort() } }
        : {}),
      mountExtensions: { idmap: { enabled: CARRIED_OUT.mountMappings } },
      netDevices: { enabled: CARRIED_OUT.netDevices },
    },
    annotations: { "dev.vitrine.version": VERSION },
    potentiallyUnsafeConfigAnnotations: [],
  };
}

/** Flags that are younger than the oldest kernel this runs on: seccomp(2). */
const SINCE: Readonly<Record<string, readonly [major: number, minor: number]>> = {
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: [5, 19],
};

function atLeast(kernel: string, [wanted, below]: readonly [number, number]): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  return major > wanted || (major === wanted && minor >= below);
}
