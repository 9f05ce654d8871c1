/** Who has a port of this host that a container could not get. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { actualPorts, liveNetworked } from "./networked.ts";

/** "container web", "process 812 (nginx)", and whether that is the resolver of networks; undefined if it is not known. @param asking id of the container that wants it */
export function portHolder(
  paths: Paths,
  { protocol, hostPort }: Pick<PublishedPort, "protocol" | "hostPort">,
  asking: string,
): { readonly name: string; readonly resolver: boolean } | undefined {
  for (const { run, record } of liveNetworked(paths))
    if (
      run.id !== asking &&
      actualPorts(run.directory, record).some((port) => port.protocol === protocol && port.hostPort === hostPort)
    )
      return { name: `container ${record.identity.name}`, resolver: false };
  const inodes = new Set(["", "6"].flatMap((family) => inodesOf(`/proc/self/net/${protocol}${family}`, hostPort)));
  for (const pid of inodes.size > 0 ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : [])
    if (descriptors(pid).some((target) => inodes.has(target)))
      return {
        name: `process ${pid} (${read(`/proc/${pid}/comm`).trim()})`,
        resolver: read(`/proc/${pid}/cmdline`).endsWith("\0network\0resolve\0"),
      };
  return undefined;
}

/** Sockets that are bound to it, as /proc/PID/fd tells them. See proc_net_tcp in the kernel's documentation. */
function inodesOf(file: string, port: number): string[] {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  return read(file)
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(`:${hex}`))
    .map((fields) => `socket:[${fields[9]}]`);
}

function descriptors(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => link(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
}

function link(path: string): string[] {
  try {
    return [readlinkSync(path)];
  } catch {
    return [];
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return "";
  }
}
