/** criu(8), called as a program: what dumping and restoring have in common. */
import { AT_FDCWD } from "../linux/constants.ts";
import { sys } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import { split } from "./paths.ts";
import type { Op } from "./plan.ts";

/** The program, and what it is called with besides its flags. */
export interface Criu {
  /** Absolute. */
  readonly program: string;
  /** "NAME=value": tar and others are looked for in PATH. */
  readonly env: readonly string[];
  /** One more file of its configuration. */
  readonly config?: string | undefined;
}

/** Directories, absolute. */
export interface CriuPlaces {
  readonly images: string;
  /** Logs and statistics. */
  readonly work: string;
}

export interface CriuManner {
  readonly tcpEstablished: boolean;
  readonly externalSockets: boolean;
  readonly shellJob: boolean;
  readonly fileLocks: boolean;
  readonly autoDedup: boolean;
  readonly groups: GroupsMode;
  /** A network namespace that is not external has nothing restored in it. */
  readonly emptyNetwork: boolean;
}

export const GROUPS_MODES = ["soft", "full", "strict", "ignore"] as const;
export type GroupsMode = (typeof GROUPS_MODES)[number];

export const DUMP_LOG = "dump.log";
export const RESTORE_LOG = "restore.log";

/** What the standard streams were, as runc notes it: three paths. */
export const DESCRIPTORS_FILE = "descriptors.json";
/** What criu calls files that lie outside of the container, as HostFiles. */
export const HOST_FILES_FILE = "vitrine.json";

export interface HostFiles {
  /** Of the three standard streams of its first process, to be handed anew; null for one that is not. */
  readonly streams: readonly (string | null)[];
  /** The host's /dev/null, wherever it is held. */
  readonly nulls: readonly string[];
}

/** What runc and crun call it too. */
export const NETWORK_KEY = "extRootNetNS";

/** Much is told: criu's own messages are all there is when it fails. */
const VERBOSITY = "-v4";

export function criuFlags(criu: Criu, places: CriuPlaces, log: string, manner: CriuManner): string[] {
  const flag = (on: boolean, name: string) => (on ? [name] : []);
  return [
    ...["-D", places.images, "-W", places.work, "-o", log, VERBOSITY],
    ...(criu.config === undefined ? [] : ["--config", criu.config]),
    `--manage-cgroups=${manner.groups}`,
    ...flag(manner.tcpEstablished, "--tcp-established"),
    ...flag(manner.externalSockets, "--ext-unix-sk"),
    ...flag(manner.shellJob, "--shell-job"),
    ...flag(manner.fileLocks, "--file-locks"),
    ...flag(manner.autoDedup, "--auto-dedup"),
    ...(manner.emptyNetwork ? ["--empty-ns", "net"] : []),
  ];
}

/** A mount that criu does not make: `name` stands in its images. */
export const externalMount = (mount: string, name: string): string[] => ["--external", `mnt[${mount}]:${name}`];

/** With the ones above it. What is in memory is for root alone. */
export function makeDirectory(path: string): Op {
  const names = split(path);
  const told = {
    call: "mkdirat",
    object: path,
    why: "Where criu writes; only root may look at a container's memory.",
    sh: `mkdir -p -m 700 ${quote(path)}`,
  };
  return onHost(
    told,
    names.map((_, i) =>
      sys("mkdirat", [AT_FDCWD, `/${names.slice(0, i + 1).join("/")}`, 0o700], { ok: ["EEXIST", "EROFS"] }),
    ),
  );
}
