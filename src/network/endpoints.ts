/** Who has which address on a network: the links in STATE/networks/NAME/leases, called by the IPv4 address. */
import { readdirSync, readlinkSync } from "node:fs";
import { leasesDirectory, type Paths } from "../container/paths.ts";

export interface Endpoint {
  readonly address: string;
  /** The container's run: ID.PID.STARTTIME */
  readonly run: string;
  /** What the container is called on this network; the first one is its own name. */
  readonly names: readonly string[];
  readonly mac: string;
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
    const { run, names = [], mac = "" } = JSON.parse(readlinkSync(`${leasesDirectory(paths, network)}/${address}`));
    return typeof run === "string" ? { address, run, names, mac } : undefined;
  } catch {
    return undefined;
  }
}

/** Id of the container. */
export const containerOf = ({ run }: Pick<Endpoint, "run">) => run.slice(0, 64);
