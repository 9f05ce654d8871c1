/** A dockerd of our own: its socket, data and runtime files lie in the bench's place; it sees /run and /etc/docker empty. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Place } from "./place.ts";
import { type Absent, type Entrant, settle } from "./race.ts";

const START_MS = 20_000;
const HIDE = "mount -t tmpfs none /run && { ! test -d /etc/docker || mount -t tmpfs none /etc/docker; }";

export interface Docker {
  readonly name: string;
  readonly host: string;
  readonly env: NodeJS.ProcessEnv;
  /** Of the daemon. */
  readonly pid: number;
}

/** @param network "bridge": with its own, in a network namespace that is its own too */
export async function openDocker(place: Place, network: "none" | "bridge" = "none"): Promise<Docker | Absent> {
  const name = "docker";
  if (!Bun.which("docker") || !Bun.which("dockerd")) return { name, reason: "not installed" };
  const directory = mkdtempSync(join(place.directory, "docker-"));
  const host = `unix://${directory}/socket`;
  const log = join(directory, "log");
  const options = [
    ...["-H", host, "--data-root", `${directory}/data`, "--exec-root", `${directory}/exec`, "-p", `${directory}/pid`],
    ...(network === "none" ? ["--iptables=false", "--ip6tables=false", "--bridge", "none"] : []),
    ...["--cgroup-parent", place.cgroup],
  ];
  const output = openSync(log, "w");
  const apart = network === "none" ? ["-m"] : ["-m", "-n"];
  const lo = network === "none" ? "" : " && ip link set lo up";
  const daemon = spawn("unshare", [...apart, "sh", "-c", `${HIDE}${lo} && exec dockerd "$@"`, "sh", ...options], {
    stdio: ["ignore", output, output],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => daemon.once("exit", () => resolve()));
  place.onLeave(async () => {
    if (daemon.exitCode !== null || daemon.signalCode !== null) return;
    daemon.kill("SIGTERM");
    const hard = setTimeout(() => daemon.kill("SIGKILL"), START_MS);
    await ended;
    clearTimeout(hard);
  });

  const env = { ...process.env, DOCKER_CONFIG: join(directory, "config") };
  const deadline = Date.now() + START_MS;
  while (spawnSync("docker", ["-H", host, "version"], { env, stdio: "ignore" }).status !== 0) {
    await settle(100);
    if (daemon.exitCode !== null || Date.now() > deadline)
      return { name, reason: `dockerd did not start: ${readFileSync(log, "utf8").trim().split("\n").at(-1)}` };
  }
  return { name, host, env, pid: daemon.pid ?? 0 };
}

export async function startDocker(place: Place, rootfs: string): Promise<Entrant> {
  const opened = await openDocker(place);
  if ("reason" in opened) return opened;
  const { name, host, env } = opened;
  const docker = (...args: string[]) =>
    spawnSync("docker", ["-H", host, ...args], { env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const archive = join(place.directory, "docker-rootfs.tar");
  spawnSync("tar", ["-C", rootfs, "-cf", archive, "."]);
  const imported = docker("import", archive, "bench");
  if (imported.status !== 0) return { name, reason: `docker import: ${imported.stderr.trim()}` };
  const limits = ["--memory", "128m", "--cpus", "1", "--pids-limit", "2048"];
  const argv = ["docker", "-H", host, "run", "--rm", "--network", "none", ...limits, "bench", "/bin/true"];
  return { name, argv, env, note: "limits, no user namespace; client, daemon, shim and runc" };
}
