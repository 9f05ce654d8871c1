/** Namespaces as users choose them: one of its own, the host's, or another's that is joined. */
import type { IdMapping, NamespaceType } from "./config.ts";
import type { RunOptions } from "./options.ts";

/** Flag, namespace, and the words it takes for one of its own. */
export const CHOICES: readonly (readonly [
  flag: keyof RunOptions & ("network" | "pid" | "ipc" | "uts" | "userns" | "cgroupns"),
  type: NamespaceType,
  own: readonly string[],
])[] = [
  ["network", "network", ["none"]],
  ["pid", "pid", ["", "private"]],
  ["ipc", "ipc", ["", "private", "shareable", "none"]],
  ["uts", "uts", ["", "private"]],
  ["userns", "user", ["", "private"]],
  ["cgroupns", "cgroup", ["", "private"]],
];

/** Where "container:ID" and "ns:PATH" lead. */
export interface Joins {
  /** By type: the namespace's file, or "host" where the container that was named shares the host's. */
  readonly namespaces: Readonly<Partial<Record<NamespaceType, string>>>;
  /** Ids of the user namespace, if one is joined. */
  readonly uidMappings?: IdMapping[] | undefined;
  readonly gidMappings?: IdMapping[] | undefined;
  /** Inode of each such file when it was looked at. */
  readonly inodes: Readonly<Record<string, number>>;
}

export const NO_JOINS: Joins = { namespaces: {}, inodes: {} };
