/** Who has which address on a network: the links in STATE/networks/NAME/leases, called by the IPv4 address. */
import { mkdirSync, readdirSync, readlinkSync, rmdirSync, rmSync } from "node:fs";
import { leasesDirectory, type Paths, runsDirectory } from "../container/paths.ts";
import { isAlive, parseRun } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import type { NetworkRecord } from "./record.ts";
import { readNetwork } from "./store.ts";

export interface Endpoint {
  readonly address: string;
  /** If it was chosen; else it is made of the IPv4 address. */
  readonly v6?: string;
  /** The container's run: ID.PID.STARTTIME */
  readonly run: string;
  /** What the container is called on this network; the first one is its own name. */
  readonly names: readonly string[];
  readonly mac: string;
  /** Of one that was connected while it ran. */
  readonly later?: Later;
}

/** What the plan of its run does not tell: its devices on the host and inside, and the how manieth it is. */
export interface Later {
  readonly port: string;
  readonly name: string;
  readonly order: number;
}

/** What is not whole is left out. */
export function listEndpoints(paths: Paths, network: string): Endpoint[] {
  return leasedAddresses(paths, network).flatMap((address) => readEndpoint(paths, network, address) ?? []);
}

export function leasedAddresses(paths: Paths, network: string): string[] {
  try {
    return readdirSync(leasesDirectory(paths, network)).filter((name) => /^\d+\.\d+\.\d+\.\d+$/.test(name));
  } catch {
    return [];
  }
}

/** Undefined if nobody has the address. */
export function readEndpoint(paths: Paths, network: string, address: string): Endpoint | undefined {
  try {
    const text = readlinkSync(`${leasesDirectory(paths, network)}/${address}`);
    const { run, names = [], mac = "", ...more } = JSON.parse(text);
    return typeof run === "string" ? { address, run, names, mac, ...more } : undefined;
  } catch {
    return undefined;
  }
}

/** Id of the container. */
export const containerOf = ({ run }: Pick<Endpoint, "run">) => run.slice(0, 64);

/** Of containers that run. */
export function liveEndpoints(paths: Paths, network: string): Endpoint[] {
  return listEndpoints(paths, network).filter((endpoint) => isLive(paths, endpoint));
}

function isLive(paths: Paths, { run }: Endpoint): boolean {
  const found = parseRun(runsDirectory(paths), run);
  return found !== undefined && isAlive(found);
}

/**
 * Where leases of a network are put. A network that is removed loses this directory first, and only if it is empty: whoever puts a link
 * into it afterwards fails, and is not left on a network that is gone.
 * @throws NOT_FOUND if it has been removed
 */
export function openLeases(paths: Paths, { name, id }: Pick<NetworkRecord, "name" | "id">): string {
  const directory = leasesDirectory(paths, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (readNetwork(paths, name)?.id === id) return directory;
  throw new VitrineError("NOT_FOUND", `network ${name} was removed a moment ago`);
}

/** Takes what ended runs have left, and the directory. False if somebody is on the network. */
export function closeLeases(paths: Paths, network: string): boolean {
  const directory = leasesDirectory(paths, network);
  for (const address of leasedAddresses(paths, network)) {
    const endpoint = readEndpoint(paths, network, address);
    if (endpoint && isLive(paths, endpoint)) return false;
    rmSync(`${directory}/${address}`, { force: true });
  }
  try {
    rmdirSync(directory);
    rmdirSync(directory.slice(0, directory.lastIndexOf("/")));
  } catch (error) {
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "ENOENT" && code !== "ENOTEMPTY") throw error;
    return leasedAddresses(paths, network).length === 0;
  }
  return true;
}
