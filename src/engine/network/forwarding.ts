/** What is remembered of a host that did not forward before it did so for containers. */
import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { networksState, type Paths } from "../../container/paths.ts";
import { isMarkAlive } from "../../container/process.ts";
import { writeWhole } from "../../container/wholefile.ts";
import { deviceNames } from "../../network/hostroutes.ts";
import { listNetworks } from "../../network/store.ts";
import type { Closed } from "../../plan/network/firewall.ts";

/** Before it forwards. */
export function noteForwarding(paths: Paths, closed: Closed): void {
  sweepForwarding(paths);
  const text = JSON.stringify(closed);
  if (closed.v4.length + closed.v6.length > 0 && read(forwardingFile(paths)) !== text)
    writeWhole(forwardingFile(paths), text);
}

/** Takes away what commands have left that were killed while they wrote it. */
export function sweepForwarding(paths: Paths): void {
  for (const name of readdirSync(networksState(paths))) {
    const [, mark] = /^\.forwarding\.\d+\.(\d+\.\d+)$/.exec(name) ?? [];
    if (mark !== undefined && !isMarkAlive(mark)) rmSync(`${networksState(paths)}/${name}`, { force: true });
  }
}

/** Is there once the host forwards for containers. */
const forwardingFile = (paths: Paths) => forwardingFiles(paths) + statSync("/proc/self/ns/net").ino;

/** Behind it the number of a network namespace. */
export const forwardingFiles = (paths: Paths) => `${networksState(paths)}/.forwarding.`;

/** Devices that the host does not forward between by itself: all that there are before it begins to for containers. */
export function closedBetween(paths: Paths): Closed {
  const noted: Closed = JSON.parse(read(forwardingFile(paths)) || '{"v4":[],"v6":[]}');
  const others = () =>
    deviceNames().filter((name) => name !== "lo" && !listNetworks(paths).some(({ device }) => device === name));
  // The number of a network namespace that is gone may be given again: who forwards nothing has not begun.
  const closed = (file: string, then: readonly string[]) => (read(`/proc/sys/net/${file}`) === "0" ? others() : then);
  return { v4: closed("ipv4/ip_forward", noted.v4), v6: closed("ipv6/conf/all/forwarding", noted.v6) };
}

/** They heed routers as long as the host is none. */
export function advertised(): string[] {
  const directory = "/proc/sys/net/ipv6/conf";
  if (read(`${directory}/all/forwarding`) !== "0") return [];
  return readdirSync(directory).filter(
    (name) => !["all", "default", "lo"].includes(name) && read(`${directory}/${name}/accept_ra`) === "1",
  );
}

function read(file: string): string {
  try {
    return readFileSync(file, "latin1").trim();
  } catch {
    return "";
  }
}
