/** What a container is made of and how, and the flags of `run` that say it: docs/guide/flags.md tells of each. */
import type { Calling } from "./command.ts";

type Text = string | number;

export interface ContainerOptions {
  /** As on the command line: "debian:bookworm", "host:bash,ls", "oci:DIR", "rootfs:DIR". */
  readonly image?: string;
  /** Instead of an image: a directory that is the root file system. */
  readonly rootfs?: string;
  /** The image's own, if not given. */
  readonly command?: readonly string[];
  readonly name?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly workdir?: string;
  /** "uid", "name", "uid:gid", "name:group" */
  readonly user?: string;
  readonly hostname?: string;
  readonly entrypoint?: string;
  /** "/host:/container[:options]" */
  readonly volumes?: readonly string[];
  /** "type=bind,source=…,target=…" */
  readonly mounts?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly devices?: readonly string[];
  readonly readOnly?: boolean;
  /** Bytes, or "128m". */
  readonly memory?: Text;
  readonly memorySwap?: Text;
  readonly memoryReservation?: Text;
  /** CPUs: 1.5 */
  readonly cpus?: Text;
  readonly cpuShares?: Text;
  readonly cpusetCpus?: string;
  readonly pidsLimit?: Text;
  readonly shmSize?: Text;
  /** "nofile=1024:2048" */
  readonly ulimits?: readonly string[];
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly securityOpt?: readonly string[];
  readonly privileged?: boolean;
  readonly groupAdd?: readonly string[];
  /** "none", "host", "container:NAME", "ns:FILE", or networks: "NAME", "NAME:alias=web"; if not given, "bridge", or what the configuration says */
  readonly network?: string | readonly string[];
  /** Ports of the host: "127.0.0.1:8080:80", "8080:80" (also at 127.0.0.1), "80" (one that is free) */
  readonly publish?: readonly string[];
  /** Its addresses, and the MAC of its device, on the network. */
  readonly ip?: string;
  readonly ip6?: string;
  readonly macAddress?: string;
  readonly networkAliases?: readonly string[];
  /** "NAME:ADDRESS" */
  readonly addHosts?: readonly string[];
  /** Addresses of name servers. */
  readonly dns?: readonly string[];
  readonly pid?: string;
  readonly ipc?: string;
  readonly uts?: string;
  readonly userns?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** A terminal of its own. */
  readonly tty?: boolean;
  /** A first process that reaps orphans. */
  readonly init?: boolean;
  readonly stopSignal?: string;
  /** Seconds. */
  readonly stopTimeout?: number;
  /** Seconds after which it is killed. */
  readonly timeout?: number;
  /** "missing" (if not given), "always", "never" */
  readonly pull?: string;
  readonly platform?: string;
  /** Further flags of `vitrine run`, as they are. */
  readonly flags?: readonly string[];
}

/** Names that are not just the flag's with capitals for dashes. */
const FLAGS: Readonly<Record<string, string>> = {
  volumes: "volume",
  mounts: "mount",
  devices: "device",
  ulimits: "ulimit",
  sysctls: "sysctl",
  labels: "label",
  annotations: "annotation",
  networkAliases: "network-alias",
  addHosts: "add-host",
};

const NOT_FLAGS = ["image", "command", "flags"];

/** @throws TypeError for what is no option: a misspelt one goes unseen otherwise */
export function argumentsOf(options: ContainerOptions): string[] {
  const { image, rootfs, command = [], flags = [] } = options;
  if ((image === undefined) === (rootfs === undefined)) throw new TypeError("either an image or a rootfs");
  const given = Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (NOT_FLAGS.includes(key) || value === undefined || value === false) return [];
    if (!KNOWN.has(key)) throw new TypeError(`"${key}" is no option of a container`);
    return flagOf(FLAGS[key] ?? dashed(key), value);
  });
  return [...given, ...flags, "--", ...(image === undefined ? [] : [image]), ...command];
}

/** @param known the flag of each option @param what has them, for the error @throws TypeError for what is no option */
export function flagsFrom(options: Calling, known: Readonly<Record<string, string>>, what: string): string[] {
  return Object.entries(options).flatMap(([key, value]: [string, unknown]) => {
    if (key === "signal" || key === "onWarning" || value === undefined) return [];
    const flag = known[key];
    if (flag === undefined) throw new TypeError(`"${key}" is no option of ${what}`);
    return flagOf(flag, value);
  });
}

const dashed = (name: string) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);

function flagOf(name: string, value: unknown): string[] {
  const flag = `--${name}`;
  if (value === true) return [flag];
  if (Array.isArray(value)) return value.map((item) => `${flag}=${item}`);
  if (typeof value === "object" && value !== null)
    return Object.entries(value).map(([key, text]) => `${flag}=${key}=${text}`);
  return [`${flag}=${value}`];
}

const KNOWN: ReadonlySet<string> = new Set<keyof ContainerOptions>([
  ...(["rootfs", "name", "env", "workdir", "user", "hostname", "entrypoint", "volumes", "mounts", "tmpfs"] as const),
  ...(["devices", "readOnly", "memory", "memorySwap", "memoryReservation", "cpus", "cpuShares", "cpusetCpus"] as const),
  ...(["pidsLimit", "shmSize", "ulimits", "sysctls", "capAdd", "capDrop", "securityOpt", "privileged"] as const),
  ...(["groupAdd", "network", "pid", "ipc", "uts", "userns", "labels", "annotations", "tty", "init"] as const),
  ...(["publish", "ip", "ip6", "macAddress", "networkAliases", "addHosts", "dns"] as const),
  ...(["stopSignal", "stopTimeout", "timeout", "pull", "platform"] as const),
]);
