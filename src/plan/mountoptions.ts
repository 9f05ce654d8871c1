/** Mount options as mount(8) and the OCI spec spell them. */
import {
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../linux/constants.ts";
import type { Parameter } from "./filesystem.ts";

const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: MOUNT_ATTR_RDONLY,
  nosuid: MOUNT_ATTR_NOSUID,
  nodev: MOUNT_ATTR_NODEV,
  noexec: MOUNT_ATTR_NOEXEC,
  noatime: MOUNT_ATTR_NOATIME,
  nodiratime: MOUNT_ATTR_NODIRATIME,
  strictatime: MOUNT_ATTR_STRICTATIME,
  nosymfollow: MOUNT_ATTR_NOSYMFOLLOW,
};

const OPPOSITES: Readonly<Record<string, string>> = {
  rw: "ro",
  suid: "nosuid",
  dev: "nodev",
  exec: "noexec",
  atime: "noatime",
  diratime: "nodiratime",
  nostrictatime: "strictatime",
  symfollow: "nosymfollow",
};

/** The words for MOUNT_ATTR_ flags. */
export function attributeNames(set: number): string[] {
  return Object.keys(ATTRIBUTES).filter((name) => (set & (ATTRIBUTES[name] ?? 0)) !== 0);
}

/** Words that say how to mount, and are no option of the file system. */
const MANNERS = new Set([
  "bind",
  "rbind",
  "relatime",
  "norelatime",
  "rrelatime",
  "rnorelatime",
  "defaults",
  "async",
  "silent",
  "loud",
  "tmpcopyup",
  "ridmap",
  "idmap",
  "noidmap",
  "create",
  "nonrecursive",
]);

/** mount_namespaces(7); with an "r" before it, for what is mounted below too. */
const PROPAGATIONS: Readonly<Record<string, number>> = {
  private: MS_PRIVATE,
  slave: MS_SLAVE,
  shared: MS_SHARED,
  unbindable: MS_UNBINDABLE,
};

/** Nothing where it is private, as every mount of a container is unless asked for otherwise. */
export function propagationName(propagation: number, recursive: boolean): string[] {
  const name = Object.keys(PROPAGATIONS).find((n) => PROPAGATIONS[n] === propagation) ?? "";
  return propagation === MS_PRIVATE ? [] : [recursive ? `r${name}` : name];
}

export interface MountOptions {
  /** MOUNT_ATTR_ flags to set. */
  readonly set: number;
  /** MOUNT_ATTR_ flags that are taken away: those that were asked for by their opposites. */
  readonly clear: number;
  /** The same for what is mounted below too: "rro", "rsuid". */
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  /** Options for the file system itself: size=64m. */
  readonly parameters: readonly Parameter[];
  readonly recursive: boolean;
  /** Attributes hold for what is mounted below too. */
  readonly all: boolean;
  /** MS_PRIVATE if nothing is said. */
  readonly propagation: number;
  readonly idmap: boolean;
}

export function mountOptions(options: readonly string[] = []): MountOptions {
  let [set, clear, recursiveSet, recursiveClear] = [0, 0, 0, 0];
  let propagation = MS_PRIVATE;
  const parameters: Parameter[] = [];
  for (const option of options) {
    const attribute = ATTRIBUTES[option];
    const opposite = OPPOSITES[option];
    const spread = PROPAGATIONS[option.replace(/^r(?=private|slave|shared|unbindable)/, "")];
    const below = option.startsWith("r") ? option.slice(1) : "";
    if (attribute !== undefined) {
      set |= attribute;
      clear &= ~attribute;
    } else if (opposite !== undefined) {
      set &= ~(ATTRIBUTES[opposite] ?? 0);
      clear |= ATTRIBUTES[opposite] ?? 0;
    } else if (spread !== undefined) propagation = spread;
    else if (ATTRIBUTES[below] !== undefined) {
      recursiveSet |= ATTRIBUTES[below];
      recursiveClear &= ~ATTRIBUTES[below];
      set |= ATTRIBUTES[below];
    } else if (OPPOSITES[below] !== undefined) {
      recursiveClear |= ATTRIBUTES[OPPOSITES[below]] ?? 0;
      recursiveSet &= ~(ATTRIBUTES[OPPOSITES[below]] ?? 0);
    } else if (!MANNERS.has(option)) {
      const at = option.indexOf("=");
      parameters.push(at < 0 ? [option] : [option.slice(0, at), option.slice(at + 1)]);
    }
  }
  const recursive = options.includes("rbind");
  const all = recursive && !options.includes("nonrecursive");
  const idmap = options.includes("idmap") || options.includes("ridmap");
  return { set, clear, recursiveSet, recursiveClear, parameters, recursive, all, propagation, idmap };
}

/** Every word that is not left to the file system, sorted. */
export function knownMountOptions(): string[] {
  const spreads = Object.keys(PROPAGATIONS).flatMap((name) => [name, `r${name}`]);
  const attributes = [...Object.keys(ATTRIBUTES), ...Object.keys(OPPOSITES)];
  return [...attributes, ...attributes.map((word) => `r${word}`), ...MANNERS, ...spreads].sort();
}
