import { DEFAULT_CONFIGURATION } from "./configuration.ts";

/** What a user asks of `run`, in docker's words. */
export interface RunOptions {
  /** An image reference ("host:bash,ls", "rootfs:DIR"), or undefined with `rootfs`. */
  image?: string | undefined;
  /** "missing" if it is not said, "always", "never". */
  pull?: string | undefined;
  /** "linux/arm64" */
  platform?: string | undefined;
  /** A directory that is the root file system. */
  rootfs?: string | undefined;
  /** Write into `rootfs` itself instead of a layer above it. */
  rwRootfs: boolean;
  command: string[];
  /** Instead of the image's own; "" for none. */
  entrypoint?: string | undefined;
  name?: string | undefined;
  hostname?: string | undefined;
  workdir?: string | undefined;
  /** "NAME=value". */
  env: string[];
  /** "uid", "name", "uid:gid", "name:group". */
  user?: string | undefined;
  readOnly: boolean;
  /** "/host:/container[:options]" */
  volumes: string[];
  /** Containers whose volumes are mounted too: "NAME[:ro]". */
  volumesFrom: string[];
  /** What the image's volumes become: "anonymous", "tmpfs", "ignore". */
  imageVolume?: string | undefined;
  /** "type=bind,source=…,target=…" */
  mounts: string[];
  /** "/path[:options]" */
  tmpfs: string[];
  /** "128m" */
  memory?: string | undefined;
  /** "1.5" */
  cpus?: string | undefined;
  cpuShares?: string | undefined;
  /** "-1" for no limit. */
  pidsLimit?: string | undefined;
  /** Memory and swap together: "256m", "-1". */
  memorySwap?: string | undefined;
  memoryReservation?: string | undefined;
  /** "0" to "100". */
  memorySwappiness?: string | undefined;
  oomKillDisable: boolean;
  cpuPeriod?: string | undefined;
  cpuQuota?: string | undefined;
  /** "0-2,4" */
  cpusetCpus?: string | undefined;
  cpusetMems?: string | undefined;
  groupAdd: string[];
  /** "nofile=1024:2048" */
  ulimits: string[];
  nice?: string | undefined;
  oomScoreAdj?: string | undefined;
  /** Octal: "0027". */
  umask?: string | undefined;
  domainname?: string | undefined;
  stopSignal?: string | undefined;
  /** Seconds. */
  stopTimeout?: string | undefined;
  /** A line for the shell inside, or "none". */
  healthCmd?: string | undefined;
  /** "30s" */
  healthInterval?: string | undefined;
  healthTimeout?: string | undefined;
  healthStartPeriod?: string | undefined;
  healthStartInterval?: string | undefined;
  healthRetries?: string | undefined;
  /** "none", "kill", "restart", "stop". */
  healthOnFailure?: string | undefined;
  /** Not that of the image either. */
  noHealthcheck?: boolean | undefined;
  /** "no", "on-failure[:N]", "always", "unless-stopped". */
  restart?: string | undefined;
  /** Seconds. */
  timeout?: string | undefined;
  cidfile?: string | undefined;
  /** "net.core.somaxconn=1024" */
  sysctls: string[];
  /** "boottime=86400" */
  timeOffsets: string[];
  securityOpt: string[];
  privileged: boolean;
  shmSize?: string | undefined;
  /** "/dev/kvm[:/dev/kvm]" */
  devices: string[];
  /** "name=value" */
  labels: string[];
  annotations: string[];
  capAdd: string[];
  capDrop: string[];
  rm: boolean;
  /** A terminal of its own. */
  tty: boolean;
  /** Standard input goes to that terminal. */
  interactive: boolean;
  /** It ends with the process that started the command. */
  owned?: boolean;
  /** Containers that have to run first; of one that is there, by id. */
  requires?: string[] | undefined;
  /** Streams that the command has: "stdin", "stdout", "stderr"; undefined or none: all. */
  attach?: string[] | undefined;
  /** It goes on without the command. */
  detach: boolean;
  /** "ctrl-p,ctrl-q"; "" for none. */
  detachKeys?: string | undefined;
  /** The command's signals are handed on. */
  sigProxy: boolean;
  /** "local", "json-file", "none" */
  logDriver?: string | undefined;
  /** "max-size=10m" */
  logOpts: string[];
  /** A first process that reaps orphans. */
  init: boolean;
  /** What --network says first: "none", "host", "container:NAME", "ns:FILE", or the name of a network. */
  network: string;
  /** The networks that it is on, each with what is said of it: see networkchoice.ts. */
  networks: string[];
  networkAliases: string[];
  ip?: string | undefined;
  ip6?: string | undefined;
  macAddress?: string | undefined;
  /** "127.0.0.1:8080:80/tcp" */
  publish: string[];
  /** An address of the host, for those that name none. */
  publishAddress: string;
  publishAll: boolean;
  /** "80/tcp" */
  expose: string[];
  /** "NAME:ADDRESS" */
  addHosts: string[];
  dns: string[];
  dnsOptions: string[];
  dnsSearch: string[];
  /** /etc/hosts and /etc/hostname stay the image's. */
  noHosts: boolean;
  noHostname: boolean;
  pid: string;
  ipc: string;
  uts: string;
  userns: string;
  cgroupns: string;
}

/** A run of which nothing was asked yet. */
export const DEFAULT_RUN: RunOptions = {
  rwRootfs: false,
  command: [],
  env: [],
  readOnly: false,
  volumes: [],
  volumesFrom: [],
  mounts: [],
  tmpfs: [],
  capAdd: [],
  capDrop: [],
  oomKillDisable: false,
  groupAdd: [],
  ulimits: [],
  sysctls: [],
  timeOffsets: [],
  securityOpt: [],
  privileged: false,
  devices: [],
  labels: [],
  annotations: [],
  rm: false,
  tty: false,
  interactive: false,
  detach: false,
  sigProxy: true,
  logOpts: [],
  init: false,
  network: "none",
  networks: [],
  networkAliases: [],
  publish: [],
  publishAddress: DEFAULT_CONFIGURATION.publishAddress,
  publishAll: false,
  expose: [],
  addHosts: [],
  dns: [],
  dnsOptions: [],
  dnsSearch: [],
  noHosts: false,
  noHostname: false,
  pid: "",
  ipc: "",
  uts: "",
  userns: "",
  cgroupns: "",
};

export const DEFAULT_PIDS_LIMIT = 2048;
/** The kernel's own bookkeeping for a container needs this much; docker's bound. */
export const LEAST_MEMORY = 6 * 2 ** 20;
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
