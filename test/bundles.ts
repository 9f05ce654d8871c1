/** config.json of bundles for tests, as other programs could write it, and changes to it. */
import type { Config } from "../src/spec/config.ts";

/** A container as most are, as the planners have it. */
export function usual(): Config {
  const types = ["pid", "network", "ipc", "uts", "mount", "cgroup"] as const;
  return {
    ociVersion: "1.2.0",
    root: { path: "/bundle/rootfs" },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
    ],
    process: {
      args: ["sh"],
      env: ["PATH=/bin"],
      cwd: "/",
      user: { uid: 0, gid: 0 },
      capabilities: { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] },
      noNewPrivileges: true,
    },
    linux: {
      namespaces: types.map((type) => ({ type })),
      resources: {},
      cgroupsPath: "/usual",
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
    },
  };
}

/** Nearly everything that the specification has, and nothing wrong. */
export const WHOLE = {
  ociVersion: "1.3.0",
  root: { path: "rootfs", readonly: true },
  hostname: "heron",
  domainname: "marsh.example",
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/data", type: "bind", source: "data", options: ["rbind", "ro"] },
    {
      destination: "/home",
      type: "none",
      source: "/srv/home",
      options: ["bind", "idmap"],
      uidMappings: [{ containerID: 0, hostID: 5000, size: 10 }],
      gidMappings: [{ containerID: 0, hostID: 6000, size: 10 }],
    },
  ],
  process: {
    args: ["sh", "-c", "true"],
    env: ["PATH=/bin", "TERM=xterm"],
    cwd: "/srv",
    user: { uid: 1000, gid: 1001, additionalGids: [4, 24], umask: 18 },
    capabilities: {
      bounding: ["CAP_KILL", "CAP_CHOWN"],
      effective: ["CAP_KILL"],
      permitted: ["CAP_KILL"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    },
    noNewPrivileges: true,
    terminal: true,
    consoleSize: { height: 24, width: 80 },
    rlimits: [
      { type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 },
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
    ],
    oomScoreAdj: 100,
    scheduler: { policy: "SCHED_RR", priority: 10, nice: 0, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
    ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
    execCPUAffinity: { initial: "0", final: "0-1" },
    apparmorProfile: "strict",
    selinuxLabel: "system_u:system_r:container_t:s0",
  },
  hooks: {
    createRuntime: [{ path: "/bin/net", args: ["net", "up"], env: ["A=b"], timeout: 5 }],
    poststop: [{ path: "/bin/net" }],
  },
  linux: {
    namespaces: [
      { type: "mount" },
      { type: "pid" },
      { type: "network" },
      { type: "ipc", path: "/proc/4711/ns/ipc" },
      { type: "uts" },
      { type: "user" },
      { type: "cgroup" },
      { type: "time" },
    ],
    uidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    gidMappings: [{ containerID: 0, hostID: 100000, size: 65536 }],
    devices: [
      { path: "/dev/fuse", type: "c", major: 10, minor: 229, fileMode: 438, uid: 0, gid: 0 },
      { path: "/dev/pipe", type: "p" },
    ],
    netDevices: { eth7: { name: "eth0" }, eth8: {} },
    resources: {
      devices: [
        { allow: false, access: "rwm" },
        { allow: true, type: "c", major: 10, minor: -1, access: "rw" },
      ],
      memory: { limit: 1 << 26, swap: 1 << 27, reservation: 1 << 25, swappiness: 10, disableOOMKiller: false },
      cpu: { shares: 512, quota: 50000, period: 100000, burst: 1000, cpus: "0-1", mems: "0", idle: 0 },
      pids: { limit: 100 },
      blockIO: {
        weight: 100,
        weightDevice: [{ major: 8, minor: 0, weight: 200 }],
        throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1048576 }],
      },
      hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
      network: { classID: 1048577, priorities: [{ name: "eth0", priority: 7 }] },
      rdma: { mlx5_1: { hcaHandles: 3 } },
      unified: { "memory.high": "60000000" },
    },
    cgroupsPath: "/marsh/heron",
    rootfsPropagation: "slave",
    maskedPaths: ["/proc/kcore"],
    readonlyPaths: ["/proc/sys"],
    seccomp: { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] },
    sysctl: { "net.core.somaxconn": "512", "kernel.sem": "1 2 3 4" },
    timeOffsets: { boottime: { secs: 60, nanosecs: 5 } },
    mountLabel: "system_u:object_r:container_file_t:s0",
    personality: { domain: "LINUX" },
    memoryPolicy: { mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] },
    intelRdt: { closID: "quiet", schemata: ["L3:0=f"], memBwSchema: "MB:0=50", enableMonitoring: true },
  },
  annotations: { "org.example.colour": "grey" },
};

/** The same with another value at a path as errors name it: "$.linux.namespaces[0].type", "$.annotations["a b"]"; without it for undefined. */
export function changed(config: object, path: string, value: unknown): unknown {
  const steps = [...path.matchAll(/\.(\w+)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g)].map(
    ([, name, index, quoted]) => name ?? index ?? (JSON.parse(quoted ?? '""') as string),
  );
  const [last, ...outer] = steps.reverse();
  if (last === undefined) return value;
  const copy = structuredClone(config) as Record<string, unknown>;
  let at = copy;
  for (const step of outer.reverse()) {
    at[step] ??= {};
    at = at[step] as Record<string, unknown>;
  }
  if (value === undefined && Array.isArray(at)) at.splice(Number(last), 1);
  else if (value === undefined) delete at[last];
  else Object.defineProperty(at, last, { value, enumerable: true, configurable: true, writable: true });
  return copy;
}
