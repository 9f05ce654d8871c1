/** From what a user asked for to config.json: pure. */
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { chooseCapabilities } from "./capabilities.ts";
import type { Config, Mount, Namespace, NamespaceType, Resources } from "./config.ts";
import { CHOICES, type Joins } from "./joins.ts";
import { parseMount, parseTmpfs, parseVolume } from "./mount.ts";
import { DEFAULT_PATH, DEFAULT_PIDS_LIMIT, LEAST_MEMORY, type RunOptions } from "./options.ts";
import { parseBytes, parseWhole } from "./sizes.ts";
import type { ResolvedUser } from "./user.ts";

export interface Generated {
  readonly id: string;
  /** The host's id of the container's root. */
  readonly rangeStart: number;
  /** What the container is called inside, where the user says nothing. */
  readonly shortId: string;
  readonly user: ResolvedUser;
  /** What the image says, where the user says nothing. */
  readonly image: ImageConfig;
  readonly joins: Joins;
}

/** The part of an image's config that a run needs. */
export interface ImageConfig {
  readonly command: readonly string[];
  readonly env: readonly string[];
  readonly workdir?: string | undefined;
}

/** Ids in each container's user namespace. */
export const RANGE_SIZE = 65536;

export function generateConfig(options: RunOptions, from: Generated, facts: HostFacts): Config {
  const args = options.command.length > 0 ? options.command : [...from.image.command];
  if (args.length === 0) throw invalid("no command to run", "give one after the image, or after --rootfs DIR");
  if (args[0] === "") throw invalid("the command is an empty string");
  const hostname = hostnameOf(options, from.shortId);
  const namespaces = chooseNamespaces(options, from.joins.namespaces);
  const has = (type: NamespaceType) => namespaces.some((n) => n.type === type);
  const own = (type: NamespaceType) => namespaces.some((n) => n.type === type && n.path === undefined);
  const capabilities = chooseCapabilities(options.capAdd, options.capDrop, facts.lastCapability);
  const mapping = [{ containerID: 0, hostID: from.rangeStart, size: RANGE_SIZE }];
  const uidMappings = own("user") ? mapping : from.joins.uidMappings;
  const gidMappings = own("user") ? mapping : from.joins.gidMappings;
  const cwd = options.workdir ?? from.image.workdir ?? "/";
  if (!cwd.startsWith("/")) throw invalid(`--workdir "${cwd}": not an absolute path`);
  return {
    ociVersion: "1.3.0",
    root: { path: "rootfs", readonly: options.readOnly },
    ...(own("uts") ? { hostname } : {}),
    mounts: [...defaultMounts(options), ...userMounts(options, has("user"))],
    process: {
      args,
      env: environment(options.env, [
        `PATH=${DEFAULT_PATH}`,
        ...(options.tty ? ["TERM=xterm"] : []),
        ...(own("uts") ? [`HOSTNAME=${hostname}`] : []),
        `HOME=${from.user.home}`,
        ...from.image.env,
      ]),
      cwd,
      user: { uid: from.user.uid, gid: from.user.gid, additionalGids: from.user.additionalGids, umask: 0o022 },
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
        inheritable: [],
        ambient: [],
      },
      noNewPrivileges: true,
      ...(options.tty ? { terminal: true } : {}),
    },
    linux: {
      namespaces,
      ...(has("user") ? { uidMappings: uidMappings ?? [], gidMappings: gidMappings ?? [] } : {}),
      resources: resources(options, facts),
      cgroupsPath: `/vitrine-${from.id}`,
      maskedPaths: MASKED,
      readonlyPaths: READ_ONLY,
    },
  };
}

function hostnameOf(options: RunOptions, shortId: string): string {
  if (options.hostname === undefined) return shortId;
  if (!/^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/.test(options.hostname))
    throw invalid(`--hostname "${options.hostname}": not a host name`, "letters, digits, - and ., at most 64");
  if (!["", "private"].includes(options.uts))
    throw invalid("--hostname: the UTS namespace is another's, whose name stays", `leave out --uts ${options.uts}`);
  return options.hostname;
}

function chooseNamespaces(options: RunOptions, joined: Joins["namespaces"]): Namespace[] {
  const chosen: Namespace[] = [{ type: "mount" }];
  for (const [flag, type, own] of CHOICES) {
    const word = options[flag];
    const path = joined[type];
    if (path !== undefined) {
      if (path !== "host") chosen.push({ type, path });
    } else if (own.includes(word)) chosen.push({ type });
    else if (word !== "host") {
      const known = [...own.filter((w) => w !== ""), "host", "container:NAME", "ns:FILE"].join(", ");
      throw new VitrineError("UNSUPPORTED", `--${flag} "${word}" is not there yet`, { hint: `known: ${known}` });
    }
  }
  return chosen;
}

function defaultMounts({ ipc }: RunOptions): Mount[] {
  const quiet = ["nosuid", "noexec", "nodev"];
  const shm = {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: [...quiet, "mode=1777", "size=65536k"],
  };
  return [
    { destination: "/proc", type: "proc", source: "proc", options: quiet },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...quiet, "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...quiet, "relatime", "ro"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: quiet },
    ...(ipc === "none" ? [] : [shm]),
  ];
}

function userMounts(options: RunOptions, ownIds: boolean): Mount[] {
  const all = [
    ...options.volumes.map(parseVolume),
    ...options.mounts.map(parseMount),
    ...options.tmpfs.map(parseTmpfs),
  ];
  const seen = new Set<string>();
  for (const { destination } of all) {
    if (seen.has(destination)) throw invalid(`two mounts have the same target ${destination}`);
    seen.add(destination);
    if (/^\/(proc|sys)(\/|$)/.test(destination) || destination === "/dev")
      throw invalid(`cannot mount over ${destination}: what keeps the container in stands there`);
  }
  return all.map((mount) =>
    mount.type === "bind" && ownIds && !mount.options?.includes("noidmap")
      ? { ...mount, options: [...(mount.options ?? []), "idmap"] }
      : mount,
  );
}

/** Later values win. */
function environment(asked: readonly string[], base: readonly string[]): string[] {
  const values = new Map([...base, ...asked].map(assignment));
  return [...values].map(([name, value]) => `${name}=${value}`);
}

function assignment(entry: string): [string, string] {
  const at = entry.indexOf("=");
  if (at < 0) return [entry, ""];
  return [entry.slice(0, at), entry.slice(at + 1)];
}

function resources(options: RunOptions, facts: HostFacts): Resources {
  const result: Resources = {};
  if (options.memory !== undefined) {
    const limit = parseBytes(options.memory, "--memory");
    if (limit < LEAST_MEMORY) throw invalid(`--memory "${options.memory}": the least is 6m`);
    result.memory = { limit, swap: 2 * limit }; // docker's default for --memory-swap
  }
  const cpu: Resources["cpu"] = {};
  if (options.cpus !== undefined) {
    const cpus = Number(options.cpus);
    if (!/^\d*\.?\d+$/.test(options.cpus) || !(cpus >= 0.01 && cpus <= facts.cpus))
      throw invalid(`--cpus "${options.cpus}": not a number from 0.01 to ${facts.cpus}, the CPUs of this host`);
    cpu.period = 100_000;
    cpu.quota = Math.round(cpus * cpu.period);
  }
  if (options.cpuShares !== undefined) cpu.shares = parseWhole(options.cpuShares, "--cpu-shares", 2, 262144);
  if (cpu.shares !== undefined || cpu.quota !== undefined) result.cpu = cpu;
  const asked =
    options.pidsLimit === undefined ? DEFAULT_PIDS_LIMIT : parseWhole(options.pidsLimit, "--pids-limit", -1, 4_194_304);
  result.pids = { limit: asked === 0 ? -1 : asked };
  return result;
}

const MASKED = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/kmsg",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

const READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];
