/** Where the bench works: one temporary directory and one cgroup. What peers put elsewhere goes too, if it was not there before. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const CGROUPS = "/sys/fs/cgroup";

export interface Place {
  readonly directory: string;
  /** A parent for the cgroups of peers that take one. */
  readonly cgroup: string;
  /** Is to be called when the place is left; the last one first. */
  onLeave(end: () => void | Promise<void>): void;
  leave(): Promise<void>;
}

export function makePlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), "vitrine-bench-"));
  // The root of a user namespace has to pass.
  chmodSync(directory, 0o711);
  const cgroup = `/bench-${process.pid}`;
  const traces = ["/run/runc", "/run/crun", "/run/systemd/nspawn", "/etc/docker", "/dev/shm/libpod_lock"];
  const absent = [...traces, ...nspawnGroups()].filter((path) => !existsSync(path));
  const ends: (() => void | Promise<void>)[] = [];
  return {
    directory,
    cgroup,
    onLeave: (end) => ends.unshift(end),
    async leave() {
      for (const end of ends) await end();
      for (const group of globSync([`${CGROUPS}${cgroup}`, `${CGROUPS}/*${cgroup}`])) await endGroup(group);
      for (const path of absent)
        if (path.startsWith(CGROUPS)) removeGroup(path);
        else rmSync(path, { recursive: true, force: true });
      for (const mount of mountsBeneath(directory)) Bun.spawnSync(["umount", mount]);
      const [mount] = mountsBeneath(directory);
      if (mount) console.error(`bench: ${directory} stays: ${mount} is still mounted`);
      else rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** A root file system of busybox alone. */
export function makeRootfs(place: Place, name: string): string {
  const root = join(place.directory, name);
  for (const directory of ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"])
    mkdirSync(join(root, directory), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  for (const applet of ["sh", "true"]) symlinkSync("busybox", join(root, "bin", applet));
  return root;
}

/** systemd-nspawn splits the cgroup that it is called in. */
function nspawnGroups(): string[] {
  const groups: string[] = [];
  for (const line of readFileSync("/proc/self/cgroup", "utf8").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== "" && controllers !== "name=systemd")) continue;
    for (const tree of controllers === "" ? ["", "/unified"] : ["/systemd"])
      for (const part of ["payload", "supervisor"]) groups.push(join(CGROUPS + tree, path, part));
  }
  return groups;
}

/** An engine that was killed may have left processes in it. */
async function endGroup(path: string): Promise<void> {
  const pids = globSync(`${path}/**/cgroup.procs`).flatMap((file) => readFileSync(file, "utf8").split("\n"));
  for (const pid of new Set(pids.filter((text) => text !== ""))) {
    console.error(`bench: ends process ${pid}, left in ${path}`);
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
    await Bun.sleep(100);
  }
  removeGroup(path);
}

function removeGroup(path: string): void {
  if (!existsSync(path)) return;
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeGroup(join(path, entry.name));
  try {
    rmdirSync(path);
  } catch (error) {
    console.error(`bench: ${path} stays: ${(error as Error).message}`);
  }
}

/** The innermost first. */
/** Innermost first. */
function mountsBeneath(directory: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse();
}
