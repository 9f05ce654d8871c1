/** What a container was asked for, as docker's HostConfig has it. */
import type { ContainerRecord } from "../container/record.ts";
import type { Config } from "../spec/config.ts";

/** Docker's word for a namespace that is another container's or the host's; ours has "private" as default, which docker leaves out. */
const mode = (word: string | undefined) => (word === undefined || word === "private" ? "" : word);

const orNull = (list: readonly string[] | undefined) => (list && list.length > 0 ? list : null);

export function hostConfig({ options: o }: ContainerRecord, config: Config | undefined) {
  const resources = config?.linux.resources;
  const { memory, cpu } = resources ?? {};
  const [, policy = "no", most = "0"] = /^([a-z-]+)(?::(\d+))?$/.exec(o?.restart ?? "no") ?? [];
  return {
    Binds: orNull(o?.volumes),
    ContainerIDFile: o?.cidfile ?? "",
    NetworkMode: o?.network ?? "none",
    RestartPolicy: { Name: policy, MaximumRetryCount: Number(most) },
    AutoRemove: o?.rm ?? false,
    VolumeDriver: "",
    VolumesFrom: null,
    CapAdd: orNull(o?.capAdd),
    CapDrop: orNull(o?.capDrop),
    CgroupnsMode: o?.cgroupns || "private",
    Dns: o?.dns ?? [],
    DnsOptions: o?.dnsOptions ?? [],
    DnsSearch: o?.dnsSearch ?? [],
    ExtraHosts: orNull(o?.addHosts),
    GroupAdd: orNull(o?.groupAdd),
    IpcMode: o?.ipc || "private",
    Cgroup: "",
    Links: null,
    OomScoreAdj: config?.process.oomScoreAdj ?? 0,
    PidMode: mode(o?.pid),
    Privileged: o?.privileged ?? false,
    PublishAllPorts: o?.publishAll ?? false,
    ReadonlyRootfs: o?.readOnly ?? false,
    SecurityOpt: orNull(o?.securityOpt),
    ...(o && o.tmpfs.length > 0 ? { Tmpfs: tmpfs(o.tmpfs) } : {}),
    UTSMode: mode(o?.uts),
    UsernsMode: mode(o?.userns),
    ShmSize: shmSize(config),
    ...(config?.linux.sysctl ? { Sysctls: config.linux.sysctl } : {}),
    Runtime: "vitrine",
    Isolation: "",
    CpuShares: cpu?.shares ?? 0,
    Memory: memory?.limit ?? 0,
    NanoCpus: o?.cpus === undefined ? 0 : Math.round(Number(o.cpus) * 1e9),
    CgroupParent: "",
    BlkioWeight: 0,
    CpuPeriod: o?.cpuPeriod === undefined ? 0 : (cpu?.period ?? 0),
    CpuQuota: o?.cpuQuota === undefined ? 0 : (cpu?.quota ?? 0),
    CpusetCpus: cpu?.cpus ?? "",
    CpusetMems: cpu?.mems ?? "",
    Devices: (o?.devices ?? []).map((text) => {
      const [outside = "", inside = outside] = text.split(":");
      return { PathOnHost: outside, PathInContainer: inside, CgroupPermissions: "rw" };
    }),
    MemoryReservation: memory?.reservation ?? 0,
    MemorySwap: memory?.swap ?? 0,
    MemorySwappiness: memory?.swappiness ?? null,
    OomKillDisable: memory?.disableOOMKiller ?? false,
    Init: o?.init ?? false,
    PidsLimit: resources?.pids?.limit ?? 0,
    Ulimits: (config?.process.rlimits ?? []).map(({ type, soft, hard }) => ({
      Name: type.replace(/^RLIMIT_/, "").toLowerCase(),
      Hard: hard,
      Soft: soft,
    })),
    MaskedPaths: config?.linux.maskedPaths ?? [],
    ReadonlyPaths: config?.linux.readonlyPaths ?? [],
  };
}

function tmpfs(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    list.map((text) => {
      const at = text.indexOf(":");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

function shmSize(config: Config | undefined): number {
  const size = config?.mounts
    .find(({ destination }) => destination === "/dev/shm")
    ?.options?.find((o) => o.startsWith("size="));
  const [, number = "0", unit] = /^size=(\d+)(k?)$/.exec(size ?? "") ?? [];
  return Number(number) * (unit === "k" ? 1024 : 1);
}
