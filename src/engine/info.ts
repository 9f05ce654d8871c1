/** `system info`: the engine and its host, in docker's words where docker has one. */
import { readFileSync } from "node:fs";
import { hostname, totalmem } from "node:os";
import { listRuns } from "../container/runs.ts";
import { listImages } from "../image/images.ts";
import { type CgroupKind, cgroupKind } from "../linux/facts.ts";
import { VERSION } from "../version.ts";
import type { Engine } from "./context.ts";
import { liveAmong } from "./live.ts";
import { isPaused } from "./pause.ts";
import { listContainers } from "./ps.ts";

export interface Info {
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly LoggingDriver: string;
  readonly CgroupDriver: string;
  readonly CgroupVersion: string;
  readonly CgroupControllers: readonly string[];
  readonly KernelVersion: string;
  readonly OperatingSystem: string;
  readonly OSType: string;
  readonly Architecture: string;
  readonly NCPU: number;
  readonly MemTotal: number;
  readonly DockerRootDir: string;
  readonly StateDir: string;
  readonly Name: string;
  readonly ServerVersion: string;
  readonly SecurityOptions: readonly string[];
  readonly MemoryLimit: boolean;
  readonly SwapLimit: boolean;
  readonly PidsLimit: boolean;
  readonly Warnings: readonly string[];
}

const VERSIONS: Readonly<Record<CgroupKind, string>> = { v1: "1", hybrid: "1", v2: "2", none: "" };

export async function systemInfo(engine: Engine): Promise<Info> {
  const { facts, paths } = engine;
  const containers = await listContainers(engine, true);
  const running = containers.filter(({ status }) => status === "running");
  const runs = listRuns(paths);
  const paused = running.filter(({ id }) => {
    const live = liveAmong(runs.filter((run) => run.id === id));
    return live !== undefined && isPaused(live.record);
  });
  const { v1, v2 } = facts.cgroups;
  const controllers = [...new Set([...v1.flatMap((h) => h.controllers), ...(v2?.controllers ?? [])])].sort();
  const limits = {
    MemoryLimit: controllers.includes("memory"),
    SwapLimit:
      v1.some((h) => h.files.includes("memory.memsw.limit_in_bytes")) || v2?.controllers.includes("memory") === true,
    PidsLimit: controllers.includes("pids"),
  };
  return {
    Containers: containers.length,
    ContainersRunning: running.length - paused.length,
    ContainersPaused: paused.length,
    ContainersStopped: containers.length - running.length,
    Images: listImages(paths).length,
    Driver: "overlayfs",
    LoggingDriver: "vitrine",
    CgroupDriver: "cgroupfs",
    CgroupVersion: VERSIONS[cgroupKind(facts.cgroups)],
    CgroupControllers: controllers,
    KernelVersion: facts.kernel,
    OperatingSystem: operatingSystem(),
    OSType: "linux",
    Architecture: facts.arch === "x64" ? "x86_64" : "aarch64",
    NCPU: facts.cpus,
    MemTotal: totalmem(),
    DockerRootDir: paths.root,
    StateDir: paths.state,
    Name: hostname(),
    ServerVersion: VERSION,
    SecurityOptions: ["name=seccomp,profile=builtin", "name=userns", "name=no-new-privileges"],
    ...limits,
    Warnings: [
      ...(limits.MemoryLimit ? [] : ["no memory limit: no cgroup hierarchy has that controller"]),
      ...(limits.SwapLimit ? [] : ["no swap limit: this kernel does not count it"]),
      ...(limits.PidsLimit ? [] : ["no limit of processes: no cgroup hierarchy has that controller"]),
    ],
  };
}

function operatingSystem(): string {
  try {
    const [, name = "Linux"] = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync("/etc/os-release", "utf8")) ?? [];
    return name;
  } catch {
    return "Linux";
  }
}
