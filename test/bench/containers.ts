/** Containers that go on by themselves: their start, and the memory beside their own; ours, docker's and podman's, from the same root file system. */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { openDocker } from "./docker.ts";
import { podmanSettings } from "./peers.ts";
import type { Place } from "./place.ts";
import { type Absent, type Entrant, type Entry, settle } from "./race.ts";
import { ms, printTable } from "./table.ts";

export interface Engine {
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Flags and image of a run. */
  readonly what: readonly string[];
  readonly remove: readonly string[];
  /** Begins the name of the process that stays beside a container, and what its command line has of this engine's own. */
  readonly beside: readonly [name: string, mark: string];
}

const ROW = 100;
const WIDTH = 8;
const MEMORY = 20;

export async function openEngines(
  place: Place,
  rootfs: string,
  program: string,
): Promise<readonly (Engine | Absent)[]> {
  const env = {
    ...process.env,
    VITRINE_ROOT: join(place.directory, "live-root"),
    VITRINE_STATE: join(place.directory, "live-state"),
  };
  const ours: Engine = {
    name: "vitrine",
    argv: [program],
    env,
    what: ["--network", "none", "--rootfs", rootfs],
    remove: ["rm", "-f"],
    beside: ["vitrine-stage", env.VITRINE_STATE],
  };
  return [ours, await dockerEngine(place, rootfs), podmanEngine(place, rootfs)];
}

async function dockerEngine(place: Place, rootfs: string): Promise<Engine | Absent> {
  const opened = await openDocker(place);
  if ("reason" in opened) return opened;
  const { name, host, env } = opened;
  const archive = join(place.directory, "live.tar");
  spawnSync("tar", ["-C", rootfs, "-cf", archive, "."]);
  const imported = spawnSync("docker", ["-H", host, "import", archive, "live"], { env, encoding: "utf8" });
  if (imported.status !== 0) return { name, reason: `docker import: ${imported.stderr.trim()}` };
  const what = ["--network", "none", "live"];
  return {
    name,
    argv: ["docker", "-H", host],
    env,
    what,
    remove: ["rm", "-f"],
    beside: ["containerd-shim", host.slice("unix://".length, -"/socket".length)],
  };
}

function podmanEngine(place: Place, rootfs: string): Engine | Absent {
  const name = "podman";
  if (!Bun.which("podman") || !Bun.which("conmon")) return { name, reason: "not installed" };
  const directory = join(place.directory, "live-podman");
  mkdirSync(directory, 0o700);
  const places = ["--root", `${directory}/root`, "--runroot", `${directory}/run`, "--tmpdir", `${directory}/tmp`];
  const env = { ...process.env, CONTAINERS_CONF: podmanSettings(directory) };
  const what = ["--network", "none", "--cgroup-parent", place.cgroup, "--rootfs", `${rootfs}:O`];
  return {
    name,
    argv: ["podman", "--runtime", "runc", ...places],
    env,
    what,
    remove: ["rm", "-f", "-t", "0"],
    beside: ["conmon", directory],
  };
}

const quiet = ({ env }: Engine) => ({ env, stdio: "ignore" as const, timeout: 60_000 });

function command(engine: Engine, ...args: readonly string[]): number | null {
  const [file = "", ...before] = engine.argv;
  return spawnSync(file, [...before, ...args], quiet(engine)).status;
}

const start = ({ what }: Engine, name: string) => [
  "run",
  "-d",
  "--name",
  name,
  ...what,
  "/bin/busybox",
  "sleep",
  "10000",
];

/** What was started goes before the next start. */
export function liveRaces(engines: readonly (Engine | Absent)[]): { title: string; entrants: Entrant[] }[] {
  const race = (title: string, entry: (engine: Engine) => Omit<Entry, "name" | "env" | "note">) => ({
    title,
    entrants: engines.map((e): Entrant => ("reason" in e ? e : { name: e.name, env: e.env, note: "", ...entry(e) })),
  });
  return [
    race("run -d", (e) => ({
      argv: [...e.argv, ...start(e, "once")],
      after: () => command(e, ...e.remove, "once"),
    })),
  ];
}

/** Milliseconds of so many starts, one after another and some at a time; kilobytes of what stays beside each container. */
export async function printLive(engines: readonly (Engine | Absent)[]): Promise<void> {
  const rows: string[][] = [];
  for (const engine of engines) {
    if ("reason" in engine) {
      rows.push([engine.name, "-", "-", "-", engine.reason]);
      continue;
    }
    const one = await startRow(engine, 1);
    const memory = besideMemory(engine);
    await end(engine);
    const some = await startRow(engine, WIDTH);
    await end(engine);
    const each = memory.count > 0 ? `${Math.round(memory.kilobytes / memory.count)}` : "-";
    rows.push([engine.name, one, some, each, `${memory.count} processes ${engine.beside[0]}`]);
  }
  printTable(["", `${ROW} in turn, ms`, `${WIDTH} at a time`, "KB beside each", ""], rows);
}

const names = Array.from({ length: ROW }, (_, i) => `row-${i}`);

async function startRow(engine: Engine, width: number): Promise<string> {
  const left = [...names];
  const began = performance.now();
  let failed = 0;
  const work = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift())
      if ((await ended(engine, start(engine, name))) !== 0) failed++;
  };
  await Promise.all(Array.from({ length: width }, work));
  return failed > 0 ? `${failed} failed` : ms(performance.now() - began);
}

function ended(engine: Engine, args: readonly string[]): Promise<number | null> {
  const [file = "", ...before] = engine.argv;
  return new Promise((resolve) => spawn(file, [...before, ...args], quiet(engine)).on("exit", resolve));
}

async function end(engine: Engine): Promise<void> {
  for (let at = 0; at < names.length; at += MEMORY) command(engine, ...engine.remove, ...names.slice(at, at + MEMORY));
  await settle(500);
}

/** Proportional set sizes: what is shared counts in parts. */
function besideMemory({ beside: [name, mark] }: Engine): { count: number; kilobytes: number } {
  const sum = { count: 0, kilobytes: 0 };
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry)))
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!line.slice(0, line.indexOf("\0")).split("/").at(-1)?.startsWith(name) || !line.includes(mark)) continue;
      sum.kilobytes += Number(/^Pss: +(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0);
      sum.count++;
    } catch {
      // It ended meanwhile.
    }
  return sum;
}

/** What is still there. */
export function closeEngines(engines: readonly (Engine | Absent)[]): void {
  for (const engine of engines) if ("argv" in engine) command(engine, ...engine.remove, "once");
}
