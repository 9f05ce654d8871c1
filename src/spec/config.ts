import type { Seccomp } from "./seccomp.ts";

/**
 * config.json of the OCI runtime specification 1.3. Everything that runs a container is handed this type: command line,
 * library, OCI bundles (which checkConfig() reads). Lists that a bundle may leave out are empty here.
 * https://github.com/opencontainers/runtime-spec
 */
export interface Config {
  ociVersion: string;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  process: Process;
  hooks?: Hooks;
  linux: Linux;
  annotations?: Record<string, string>;
}

export interface Mount {
  /** Absolute, inside the container. */
  destination: string;
  type: string;
  source?: string;
  /** As mount(8) spells them; also "rbind", "bind", "idmap", "tmpcopyup". */
  options?: string[];
  /** Of an id-mapped mount; the container's own if not said. */
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

export interface Process {
  args: string[];
  /** "NAME=value". */
  env: string[];
  /** Absolute, inside the container. */
  cwd: string;
  user: { uid: number; gid: number; additionalGids?: number[]; umask?: number };
  capabilities: Capabilities;
  noNewPrivileges: boolean;
  /** A pseudo terminal of its own as standard streams. */
  terminal?: boolean;
  /** Characters. */
  consoleSize?: { height: number; width: number };
  rlimits?: Rlimit[];
  oomScoreAdj?: number;
  scheduler?: Scheduler;
  ioPriority?: { class: IoPriorityClass; priority?: number };
  /** Lists of CPUs as "0-2,4", for processes that are started later (exec). */
  execCPUAffinity?: { initial?: string; final?: string };
  apparmorProfile?: string;
  selinuxLabel?: string;
}

export interface Scheduler {
  policy: SchedulerPolicy;
  nice?: number;
  priority?: number;
  flags?: SchedulerFlag[];
  /** Nanoseconds, of SCHED_DEADLINE. */
  runtime?: number;
  deadline?: number;
  period?: number;
}

export const SCHEDULER_POLICIES = [
  "SCHED_OTHER",
  "SCHED_FIFO",
  "SCHED_RR",
  "SCHED_BATCH",
  "SCHED_ISO",
  "SCHED_IDLE",
  "SCHED_DEADLINE",
] as const;
export type SchedulerPolicy = (typeof SCHEDULER_POLICIES)[number];

export const SCHEDULER_FLAGS = [
  "SCHED_FLAG_RESET_ON_FORK",
  "SCHED_FLAG_RECLAIM",
  "SCHED_FLAG_DL_OVERRUN",
  "SCHED_FLAG_KEEP_POLICY",
  "SCHED_FLAG_KEEP_PARAMS",
  "SCHED_FLAG_UTIL_CLAMP_MIN",
  "SCHED_FLAG_UTIL_CLAMP_MAX",
] as const;
export type SchedulerFlag = (typeof SCHEDULER_FLAGS)[number];

export const IO_PRIORITY_CLASSES = ["IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"] as const;
export type IoPriorityClass = (typeof IO_PRIORITY_CLASSES)[number];

export interface Rlimit {
  /** "RLIMIT_NOFILE" */
  type: string;
  /** -1 for none; a bigint beyond 2^53, where a number is not exact. */
  soft: number | bigint;
  hard: number | bigint;
}

/** Sets of names as "CAP_CHOWN". */
export interface Capabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export const HOOK_KINDS = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;
export type HookKind = (typeof HOOK_KINDS)[number];
export type Hooks = Partial<Record<HookKind, Hook[]>>;

/** A program that is handed the container's state on standard input. */
export interface Hook {
  /** Absolute. */
  path: string;
  /** With the program's name as the first; only that if not said. */
  args?: string[];
  /** The whole environment: "NAME=value". */
  env?: string[];
  /** Seconds. */
  timeout?: number;
}

export const NAMESPACE_TYPES = ["mount", "pid", "network", "ipc", "uts", "user", "cgroup", "time"] as const;
export type NamespaceType = (typeof NAMESPACE_TYPES)[number];

export interface Namespace {
  type: NamespaceType;
  /** A namespace that is there already, to be joined; a new one if not said. */
  path?: string;
}

export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}

export interface Linux {
  /** A type that is not listed is shared with the host. */
  namespaces: Namespace[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  devices?: Device[];
  /** Network devices of the host that move into the container, by name; and what each is called there. */
  netDevices?: Record<string, { name?: string }>;
  resources: Resources;
  /** Below the mount point of each hierarchy. */
  cgroupsPath: string;
  /** Of the root; private if not said. */
  rootfsPropagation?: "private" | "shared" | "slave" | "unbindable";
  maskedPaths: string[];
  readonlyPaths: string[];
  seccomp?: Seccomp;
  /** "net.core.somaxconn": "1024". */
  sysctl?: Record<string, string>;
  timeOffsets?: Partial<Record<"monotonic" | "boottime", { secs: number; nanosecs: number }>>;
  mountLabel?: string;
  personality?: { domain: "LINUX" | "LINUX32"; flags?: string[] };
  memoryPolicy?: MemoryPolicy;
  intelRdt?: IntelRdt;
}

export interface Device {
  /** Inside the container. */
  path: string;
  /** Character, block, or unbuffered character device; FIFO. */
  type: "c" | "b" | "u" | "p";
  major?: number;
  minor?: number;
  fileMode?: number;
  uid?: number;
  gid?: number;
}

export const MEMORY_POLICY_MODES = [
  "MPOL_DEFAULT",
  "MPOL_BIND",
  "MPOL_INTERLEAVE",
  "MPOL_WEIGHTED_INTERLEAVE",
  "MPOL_PREFERRED",
  "MPOL_PREFERRED_MANY",
  "MPOL_LOCAL",
] as const;

export const MEMORY_POLICY_FLAGS = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"] as const;

/** set_mempolicy(2) */
export interface MemoryPolicy {
  mode: (typeof MEMORY_POLICY_MODES)[number];
  /** "0-3,7" */
  nodes?: string;
  flags?: (typeof MEMORY_POLICY_FLAGS)[number][];
}

/** Kernel: arch/x86/resctrl.rst */
export interface IntelRdt {
  closID?: string;
  schemata?: string[];
  l3CacheSchema?: string;
  memBwSchema?: string;
  enableMonitoring?: boolean;
}

export interface Resources {
  /** Rules for device nodes, in order: a later one wins. */
  devices?: DeviceRule[];
  memory?: {
    /** Bytes; -1 for no limit. */
    limit?: number;
    /** Memory and swap together, bytes; -1 for no limit. */
    swap?: number;
    /** Bytes. */
    reservation?: number;
    /** Bytes, of the kernel's own and of its TCP buffers (v1 only, deprecated). */
    kernel?: number;
    kernelTCP?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
    useHierarchy?: boolean;
    /** A limit below what is in use is refused. */
    checkBeforeUpdate?: boolean;
  };
  cpu?: {
    shares?: number;
    /** Microseconds of CPU time in each period; -1 for no limit. */
    quota?: number;
    /** Microseconds. */
    period?: number;
    /** Microseconds above the quota that may be saved up. */
    burst?: number;
    /** Microseconds. */
    realtimeRuntime?: number;
    realtimePeriod?: number;
    /** "0-2,4" */
    cpus?: string;
    mems?: string;
    /** 1: SCHED_IDLE for the whole group. */
    idle?: number;
  };
  pids?: { limit: number };
  blockIO?: BlockIo;
  hugepageLimits?: {
    /** "2MB" */
    pageSize: string;
    /** Bytes. */
    limit: number;
  }[];
  network?: { classID?: number; priorities?: { name: string; priority: number }[] };
  rdma?: Record<string, { hcaHandles?: number; hcaObjects?: number }>;
  /** Files of the v2 group, and what is written to them. */
  unified?: Record<string, string>;
}

export interface DeviceRule {
  allow: boolean;
  /** All of them, character, block; all if not said. */
  type?: "a" | "c" | "b";
  /** All if not said, or -1. */
  major?: number;
  minor?: number;
  /** Of "rwm": read, write, mknod. */
  access?: string;
}

export interface BlockIo {
  weight?: number;
  leafWeight?: number;
  weightDevice?: { major: number; minor: number; weight?: number; leafWeight?: number }[];
  /** Bytes a second. */
  throttleReadBpsDevice?: Throttle[];
  throttleWriteBpsDevice?: Throttle[];
  /** Operations a second. */
  throttleReadIOPSDevice?: Throttle[];
  throttleWriteIOPSDevice?: Throttle[];
}

export interface Throttle {
  major: number;
  minor: number;
  rate: number;
}

/** Whether the container is in another namespace than the host: a new one, or one that it joins. */
export function hasNamespace(config: Config, type: NamespaceType): boolean {
  return config.linux.namespaces.some((n) => n.type === type);
}

export function hasNewNamespace(config: Config, type: NamespaceType): boolean {
  return config.linux.namespaces.some((n) => n.type === type && n.path === undefined);
}

/** File of the namespace that the container joins. */
export function joinedNamespace(config: Config, type: NamespaceType): string | undefined {
  return config.linux.namespaces.find((n) => n.type === type)?.path;
}
