/** What a user asks of `run`, in docker's words. */
export interface RunOptions {
  /** An image reference ("host:bash,ls", "rootfs:DIR"), or undefined with `rootfs`. */
  image?: string | undefined;
  /** A directory that is the root file system. */
  rootfs?: string | undefined;
  /** Write into `rootfs` itself instead of a layer above it. */
  rwRootfs: boolean;
  command: string[];
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
  capAdd: string[];
  capDrop: string[];
  rm: boolean;
  /** A terminal of its own. */
  tty: boolean;
  /** Standard input goes to that terminal. */
  interactive: boolean;
  /** A first process that reaps orphans. */
  init: boolean;
  network: string;
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
  mounts: [],
  tmpfs: [],
  capAdd: [],
  capDrop: [],
  rm: false,
  tty: false,
  interactive: false,
  init: false,
  network: "none",
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
