/** Bundles: a directory with config.json, and a root file system of busybox. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import type { Capabilities, Config } from "../../src/spec/config.ts";
import { busybox } from "../vitrine.ts";

/** What containers of docker and podman may do. */
const CAPABILITIES = [
  ...["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP"],
  ...["CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT", "CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"],
];

export function capabilities(names: readonly string[] = CAPABILITIES): Capabilities {
  const [bounding, effective, permitted] = [[...names], [...names], [...names]];
  return { bounding, effective, permitted, inheritable: [], ambient: [] };
}

/** A change of the template. */
export type Change = (config: Config) => void;

/** The smallest container that everything can be asked of: new namespaces of each kind but user and time, host name "oci". */
export function template(id: string): Config {
  return {
    ociVersion: "1.0.2",
    root: { path: busybox() },
    hostname: "oci",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=64k"],
      },
      {
        ...{ destination: "/dev/pts", type: "devpts", source: "devpts" },
        options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
      },
      {
        ...{ destination: "/dev/shm", type: "tmpfs", source: "shm" },
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=64k"],
      },
      { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
    ],
    process: {
      args: SERVICE,
      env: ["PATH=/bin", "TERM=xterm"],
      cwd: "/",
      user: { uid: 0, gid: 0 },
      capabilities: capabilities(),
      noNewPrivileges: false,
    },
    linux: {
      namespaces: [
        { type: "pid" },
        { type: "network" },
        { type: "ipc" },
        { type: "uts" },
        { type: "mount" },
        { type: "cgroup" },
      ],
      resources: { devices: [{ allow: false, access: "rwm" }] },
      cgroupsPath: `/${id}`,
      maskedPaths: ["/proc/kcore", "/proc/keys"],
      readonlyPaths: ["/proc/sys", "/proc/sysrq-trigger"],
    },
  };
}

/** Says "up" once it listens for signals; ends with 7 after SIGTERM, and with 9 after SIGUSR1. */
const SERVICE = ["sh", "-c", "trap 'exit 7' TERM; trap 'exit 9' USR1; echo up; sleep 1000 & while :; do wait; done"];

/** A change: this shell script instead of the service. */
export function script(text: string): Change {
  return ({ process }) => {
    process.args = ["sh", "-c", text];
  };
}

/** A change: a root file system that the container has for itself, "rootfs" in the bundle. */
export function ownRoot(config: Config): void {
  config.root.path = "rootfs";
}

/** Writes the bundle. */
export function makeBundle(path: string, config: Config): void {
  mkdirSync(path, { recursive: true });
  if (config.root?.path === "rootfs") spawnSync("cp", ["-a", busybox(), `${path}/rootfs`]);
  writeFileSync(`${path}/config.json`, JSON.stringify(config, undefined, 2));
}
