/** `spec`: a config.json to begin with, of the same meaning as what `runc spec` writes. */
import type { Mount, Namespace } from "./config.ts";
import { MASKED_PATHS, READONLY_PATHS } from "./coveredpaths.ts";
import { OCI_VERSION } from "./ociversion.ts";
import { DEFAULT_PATH } from "./options.ts";

export interface TemplateOptions {
  /** For a caller without root's rights: the ids that it has, which are root's inside. */
  readonly rootless?: { readonly uid: number; readonly gid: number } | undefined;
  /** The host has cgroup v2 alone: the container then gets a cgroup namespace. */
  readonly unified?: boolean;
}

const QUIET = ["nosuid", "noexec", "nodev"];

/** Checked by checkConfig() it is a config without warnings. Its names stand in the order in which they are written. */
export function specTemplate({ rootless, unified = false }: TemplateOptions = {}) {
  const namespaces: Namespace[] = [
    { type: "pid" },
    ...(rootless ? [] : [{ type: "network" as const }]),
    { type: "ipc" },
    { type: "uts" },
    { type: "mount" },
    ...(unified ? [{ type: "cgroup" as const }] : []),
    ...(rootless ? [{ type: "user" as const }] : []),
  ];
  return {
    ociVersion: OCI_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: [`PATH=${DEFAULT_PATH}`, "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities(), effective: capabilities(), permitted: capabilities() },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "vitrine",
    mounts: mounts(rootless !== undefined),
    linux: {
      ...(rootless
        ? {
            uidMappings: [{ containerID: 0, hostID: rootless.uid, size: 1 }],
            gidMappings: [{ containerID: 0, hostID: rootless.gid, size: 1 }],
          }
        : { resources: { devices: [{ allow: false, access: "rwm" }] } }),
      namespaces,
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
    },
  };
}

function capabilities(): string[] {
  return ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
}

function mounts(rootless: boolean): Mount[] {
  return [
    { destination: "/proc", type: "proc", source: "proc" },
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
      // Group 5 is one that a single mapped id does not have.
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...(rootless ? [] : ["gid=5"])],
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...QUIET, "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: [...QUIET] },
    // Who shares the host's network may not mount a sysfs of it.
    rootless
      ? { destination: "/sys", type: "none", source: "/sys", options: ["rbind", ...QUIET, "ro"] }
      : { destination: "/sys", type: "sysfs", source: "sysfs", options: [...QUIET, "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...QUIET, "relatime", "ro"] },
  ];
}

/** As it is written to config.json: with tabs, and without a line end, as runc has it. */
export function templateText(options?: TemplateOptions): string {
  return JSON.stringify(specTemplate(options), undefined, "\t");
}
