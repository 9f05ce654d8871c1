/** The same work for every engine: `true` in a fresh container. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startDocker } from "./docker.ts";
import type { Place } from "./place.ts";
import { makeRootfs } from "./place.ts";
import type { Absent, Entrant, Entry } from "./race.ts";

/** @param wanted by name; what is not wanted is not prepared */
export async function peers(place: Place, rootfs: string, wanted: (name: string) => boolean): Promise<Entrant[]> {
  const all: [name: string, make: () => Entrant | Promise<Entrant>][] = [
    ["runc", () => runc(place, rootfs, true)],
    ["runc-no-userns", () => runc(place, rootfs, false)],
    ["crun", () => crun(place, rootfs, true)],
    ["crun-no-userns", () => crun(place, rootfs, false)],
    ["bwrap", () => bwrap(rootfs)],
    ["unshare", () => unshare(rootfs)],
    ["nspawn", () => nspawn(place)],
    ["podman", () => podman(place)],
    ["docker", () => startDocker(place, rootfs)],
  ];
  const entrants: Entrant[] = [];
  for (const [name, make] of all) {
    if (!wanted(name)) continue;
    const entrant = await make();
    const program = "argv" in entrant ? entrant.argv[0] : undefined;
    entrants.push(program !== undefined && !Bun.which(program) ? notInstalled(name) : entrant);
  }
  return entrants;
}

const notInstalled = (name: string): Absent => ({ name, reason: "not installed" });

function ociNote(userns: boolean): string {
  return userns ? "limits, user namespace" : "limits, no user namespace";
}

function runc(place: Place, rootfs: string, userns: boolean): Entrant {
  const name = userns ? "runc" : "runc-no-userns";
  if (!Bun.which("runc")) return notInstalled(name);
  const bundle = makeBundle(place, rootfs, name, userns);
  const state = join(place.directory, "runc-state");
  return { name, argv: ["runc", "--root", state, "run", "--bundle", bundle, name], note: ociNote(userns) };
}

/** crun refuses hosts with both cgroup versions unless the second one has no controllers; there it is shown none. */
async function crun(place: Place, rootfs: string, userns: boolean): Promise<Entrant> {
  const name = userns ? "crun" : "crun-no-userns";
  if (!Bun.which("crun")) return notInstalled(name);
  const bundle = makeBundle(place, rootfs, name, userns);
  const state = join(place.directory, "crun-state");
  const argv = ["crun", "--root", state, "--cgroup-manager=cgroupfs", "run", "--bundle", bundle, name];
  const before = await crunBefore(place);
  if (before.length === 0) return { name, argv, note: ociNote(userns) };
  return { name, argv: [...before, ...argv], note: `${ociNote(userns)}; by nsenter, for a hybrid host` };
}

/** What leads crun to where it can run. */
export async function crunBefore(place: Place): Promise<string[]> {
  const controllers = "/sys/fs/cgroup/unified/cgroup.controllers";
  return existsSync(controllers) ? withoutControllers(place, controllers) : [];
}

/** A mount namespace in which that file is empty, and what leads a command into it. */
async function withoutControllers(place: Place, controllers: string): Promise<string[]> {
  const empty = join(place.directory, "empty");
  writeFileSync(empty, "");
  const script = `mount --bind ${empty} ${controllers} && echo ready && read end`;
  const holder = spawn("unshare", ["-m", "sh", "-c", script], { stdio: ["pipe", "pipe", "ignore"], detached: true });
  place.onLeave(() => {
    holder.kill("SIGKILL");
  });
  await once(holder.stdout, "data");
  return ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`];
}

function bwrap(rootfs: string): Entry {
  const view = ["--ro-bind", rootfs, "/", "--proc", "/proc", "--dev", "/dev"];
  return { name: "bwrap", argv: ["bwrap", "--unshare-all", ...view, "/bin/true"], note: "no limits" };
}

function unshare(rootfs: string): Entry {
  const argv = ["unshare", "-muinpf", `--mount-proc=${rootfs}/proc`, "chroot", rootfs, "/bin/true"];
  return { name: "unshare", argv, note: "no limits, no user namespace, no protection" };
}

function nspawn(place: Place): Entry {
  // It writes into the root file system.
  const rootfs = makeRootfs(place, "rootfs-nspawn");
  const few = ["--register=no", "--keep-unit", "--link-journal=no", "--timezone=off", "--resolv-conf=off"];
  const argv = ["systemd-nspawn", "-q", "-D", rootfs, "-M", `bench-${process.pid}`, "--private-network", ...few];
  return { name: "nspawn", argv: [...argv, "/bin/true"], note: "no limits, no user namespace" };
}

/** What podman needs on this machine; @returns the file */
export function podmanSettings(directory: string): string {
  const settings = join(directory, "containers.conf");
  writeFileSync(
    settings,
    `[containers]
default_ulimits = []
[engine]
events_logger = "none"
cgroup_manager = "cgroupfs"
lock_type = "file"
`,
  );
  return settings;
}

function podman(place: Place): Entry {
  const rootfs = makeRootfs(place, "rootfs-podman");
  const directory = join(place.directory, "podman");
  mkdirSync(directory, 0o700);
  const settings = podmanSettings(directory);
  const places = ["--root", `${directory}/root`, "--runroot", `${directory}/run`, "--tmpdir", `${directory}/tmp`];
  const limits = ["--memory", "128m", "--cpus", "1", "--pids-limit", "2048", "--cgroup-parent", place.cgroup];
  const run = ["run", "--rm", "--network", "none", ...limits, "--rootfs", rootfs, "/bin/true"];
  const env = { ...process.env, CONTAINERS_CONF: settings };
  const argv = ["podman", "--runtime", "runc", ...places, ...run];
  return { name: "podman", argv, env, note: "limits, no user namespace; conmon and runc" };
}

interface Bundle {
  process: { terminal: boolean; args: string[]; rlimits?: unknown };
  root: unknown;
  linux: Record<string, unknown> & { namespaces: { type: string }[] };
}

/** What `runc spec` gives, with our limits. */
export function makeBundle(
  place: Place,
  rootfs: string,
  name: string,
  userns: boolean,
  args: readonly string[] = ["/bin/true"],
): string {
  const bundle = join(place.directory, `bundle-${name}`);
  mkdirSync(bundle);
  spawnSync(name.startsWith("crun") ? "crun" : "runc", ["spec"], { cwd: bundle, stdio: "ignore" });
  const file = join(bundle, "config.json");
  const config: Bundle = JSON.parse(readFileSync(file, "utf8"));
  config.process.terminal = false;
  config.process.args = [...args];
  // This may need more than the caller has.
  delete config.process.rlimits;
  config.root = { path: rootfs, readonly: true };
  const { linux } = config;
  linux.cgroupsPath = `${place.cgroup}/${name}`;
  linux.resources = {
    devices: [{ allow: false, access: "rwm" }],
    memory: { limit: 128 << 20 },
    cpu: { quota: 100_000, period: 100_000 },
    pids: { limit: 2048 },
  };
  const types = new Set([...linux.namespaces.map(({ type }) => type), "cgroup", ...(userns ? ["user"] : [])]);
  linux.namespaces = [...types].map((type) => ({ type }));
  if (userns) {
    const range = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
    linux.uidMappings = range;
    linux.gidMappings = range;
  }
  writeFileSync(file, JSON.stringify(config));
  return bundle;
}
