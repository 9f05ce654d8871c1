import type { Seccomp } from "./seccomp.ts";

/**
 * config.json of the OCI runtime specification 1.3, as far as the engine acts on it. Everything that runs a container
 * is handed this type: command line, library, OCI bundles. https://github.com/opencontainers/runtime-spec
 */
export interface Config {
  ociVersion: string;
  root: { path: string; readonly?: boolean };
  hostname?: string;
  domainname?: string;
  mounts: Mount[];
  process: Process;
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
  rlimits?: Rlimit[];
  oomScoreAdj?: number;
  scheduler?: { policy: "SCHED_OTHER"; nice: number };
}

export interface Rlimit {
  /** "RLIMIT_NOFILE" */
  type: string;
  soft: number;
  hard: number;
}

/** Sets of names as "CAP_CHOWN". */
export interface Capabilities {
  bounding: string[];
  effective: string[];
  permitted: string[];
  inheritable: string[];
  ambient: string[];
}

export type NamespaceType = "mount" | "pid" | "network" | "ipc" | "uts" | "user" | "cgroup" | "time";

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
  resources: Resources;
  /** Below the mount point of each hierarchy. */
  cgroupsPath: string;
  maskedPaths: string[];
  readonlyPaths: string[];
  seccomp?: Seccomp;
  /** "net.core.somaxconn": "1024". */
  sysctl?: Record<string, string>;
  timeOffsets?: Partial<Record<"monotonic" | "boottime", { secs: number; nanosecs: number }>>;
}

export interface Resources {
  memory?: {
    /** Bytes. */
    limit?: number;
    /** Memory and swap together, bytes; -1 for no limit. */
    swap?: number;
    /** Bytes. */
    reservation?: number;
    swappiness?: number;
    disableOOMKiller?: boolean;
  };
  cpu?: {
    shares?: number;
    /** Microseconds of CPU time in each period. */
    quota?: number;
    /** Microseconds. */
    period?: number;
    /** "0-2,4" */
    cpus?: string;
    mems?: string;
  };
  pids?: { limit: number };
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
