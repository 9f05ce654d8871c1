/**
 * Addresses taken: a link STATE/networks/NAME/leases/ADDRESS is made whole or not at all, and only by one. It names the run that has the
 * address, and lasts as long as that.
 */
import { existsSync, readdirSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { leasesDirectory, networksState, type Paths, runsDirectory } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { ipBytes, macFor, macText, subnetParts } from "../linux/ip.ts";
import { type Later, listEndpoints, openLeases } from "./endpoints.ts";
import type { NetworkRecord } from "./record.ts";
import { inTurn } from "./turn.ts";

export type Network = Pick<NetworkRecord, "name" | "id" | "v4" | "v6">;

/** What is asked for, as askedAddress has it; the rest is chosen. */
export interface AskedAddress {
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
}

export interface Lease {
  /** Name of the run's directory; the first of what is written down: see LEASE_BEGIN in src/plan/network/endpoint.ts. */
  readonly run: string;
  readonly names: readonly string[];
  /** By the address, if it is not said. */
  readonly mac?: string | undefined;
  readonly v6?: string | undefined;
  readonly later?: Later | undefined;
}

/** @param asked this one and no other @throws CONFLICT if it is taken, or all are */
export async function takeAddress(paths: Paths, network: Network, lease: Lease, asked: AskedAddress): Promise<string> {
  const { ip, ip6 } = asked;
  if (ip !== undefined) checkFour(network, ip);
  if (ip6 === undefined) return takeFour(paths, network, lease, ip);
  await sweepLeases(paths);
  return choosing(paths, async () => {
    checkFree6(paths, network, ip6);
    return takeFour(paths, network, { ...lease, v6: ip6 }, ip);
  });
}

/** One command at a time chooses by more than the name of a link can hold. */
export const choosing = <T>(paths: Paths, act: () => Promise<T>): Promise<T> =>
  inTurn(`${networksState(paths)}/.choosing`, "connecting a container", act);

/** Whoever chooses has its turn. @throws CONFLICT */
export function checkFree6(paths: Paths, { name }: Network, ip6: string): void {
  const other = listEndpoints(paths, name).find(({ v6 }) => v6 === ip6);
  if (other) throw addressTaken(name, ip6);
}

async function takeFour(paths: Paths, network: Network, lease: Lease, asked: string | undefined): Promise<string> {
  const directory = openLeases(paths, network);
  const take = (address: string) => makeLink(leaseText(lease, address), directory, address);
  const once = () => {
    if (asked !== undefined) return take(asked) ? asked : undefined;
    for (const address of freeAddresses(paths, network)) if (take(address)) return address;
    return undefined;
  };
  const taken = once();
  if (taken !== undefined) return taken;
  await sweepLeases(paths); // perhaps of runs that were killed
  const again = once();
  if (again !== undefined) return again;
  if (asked === undefined)
    throw new VitrineError("CONFLICT", `network ${network.name}: all addresses of ${rangeText(network)} are taken`, {
      hint: "stop a container, or make a network with a larger --subnet",
    });
  throw addressTaken(network.name, asked);
}

/** The target of its link. */
export function leaseText({ mac, ...lease }: Lease, address: string): string {
  return JSON.stringify({ ...lease, mac: mac ?? macText(macFor(address)) });
}

export const addressTaken = (network: string, address: string) =>
  new VitrineError("CONFLICT", `the address ${address} of network ${network} is taken`, {
    hint: `vitrine network inspect ${network} tells by whom`,
  });

/** For one whose address is not the engine's to give: it is on the network, by a name that is no address of one. */
export async function takePlace(paths: Paths, network: Network, lease: Lease, place: string): Promise<void> {
  const made = () => makeLink(leaseText(lease, place), openLeases(paths, network), place);
  if (made()) return;
  await sweepLeases(paths); // a start of it that was killed
  if (!made())
    throw new VitrineError(
      "CONFLICT",
      `network ${network.name}: a container with the same beginning of its id is on it`,
    );
}

/** Which one it would be; nothing is changed. */
export function nextAddress(paths: Paths, network: Network, asked: AskedAddress): string {
  const { ip } = asked;
  if (ip !== undefined) checkFour(network, ip);
  if (ip !== undefined) return ip;
  for (const address of freeAddresses(paths, network)) return address;
  throw new VitrineError("CONFLICT", `network ${network.name}: all addresses of ${rangeText(network)} are taken`);
}

/** Those of a run that does not take place. */
export function dropLeases(paths: Paths, networks: readonly string[], run: string): void {
  for (const name of networks)
    for (const address of namesIn(leasesDirectory(paths, name)))
      if (runOf(paths, name, address) === run) rmSync(`${leasesDirectory(paths, name)}/${address}`, { force: true });
}

/**
 * Takes away those whose run is gone: it was killed before its plan had them. Only one command does this at a time, and a run lets go of its
 * lease before its directory goes: so what is read twice between which the run is not there is nobody's.
 */
export async function sweepLeases(paths: Paths): Promise<void> {
  const networks = namesIn(networksState(paths));
  const stale = (name: string) =>
    namesIn(leasesDirectory(paths, name)).filter((address) => isStale(paths, runOf(paths, name, address)));
  if (!networks.some((name) => stale(name).length > 0)) return;
  await inTurn(networksState(paths), "taking away addresses that nobody has", () => {
    for (const name of networks)
      for (const address of stale(name)) {
        const run = runOf(paths, name, address);
        if (isStale(paths, run) && runOf(paths, name, address) === run)
          rmSync(`${leasesDirectory(paths, name)}/${address}`, { force: true });
      }
  });
}

const isStale = (paths: Paths, run: string | undefined) =>
  run !== undefined && !existsSync(`${runsDirectory(paths)}/${run}`);

/** "" for what is not whole. */
function runOf(paths: Paths, network: string, address: string): string | undefined {
  try {
    const { run } = JSON.parse(readlinkSync(`${leasesDirectory(paths, network)}/${address}`));
    return typeof run === "string" ? run : "";
  } catch (error) {
    return error instanceof SyntaxError ? "" : undefined;
  }
}

/** @returns false if somebody has it */
function makeLink(target: string, directory: string, address: string): boolean {
  try {
    symlinkSync(target, `${directory}/${address}`);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    if (code !== "ENOENT") throw error;
    throw new VitrineError("NOT_FOUND", `network ${basename(dirname(directory))} was removed a moment ago`);
  }
}

/** From the lowest on. */
function* freeAddresses(paths: Paths, network: Network): Generator<string> {
  const taken = new Set(namesIn(leasesDirectory(paths, network.name)));
  const { first, last } = hostsOf(network);
  for (let value = first; value <= last; value++) {
    const address = textOf(value);
    if (address !== network.v4.gateway && !taken.has(address)) yield address;
  }
}

/** Addresses that containers can have: neither the network's own nor that for all. */
function hostsOf({ v4 }: Network): { first: number; last: number } {
  const whole = span(v4.subnet);
  const part = v4.range === undefined ? whole : span(v4.range);
  return { first: Math.max(part.first, whole.first + 1), last: Math.min(part.last, whole.last - 1) };
}

function span(subnet: string): { first: number; last: number } {
  const { ip, prefix } = subnetParts(subnet);
  const first = numberOf(ip);
  return { first, last: first + 2 ** (32 - prefix) - 1 };
}

/** @throws INVALID */
export function checkFour(network: Network, asked: string): void {
  const { first, last } = span(network.v4.subnet);
  const value = numberOf(ipBytes(asked));
  const wrong = (why: string) =>
    new VitrineError("INVALID", `--ip ${asked}: ${why}`, { hint: `network ${network.name} has ${network.v4.subnet}` });
  if (value <= first || value >= last) throw wrong("no address of a container in this network");
  if (asked === network.v4.gateway) throw wrong("that is the gateway");
}

const rangeText = ({ v4 }: Network) => v4.range ?? v4.subnet;
const numberOf = (ip: Uint8Array) => new DataView(ip.buffer, ip.byteOffset, 4).getUint32(0);
const textOf = (value: number) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255].join(".");

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory).filter((name) => !name.startsWith("."));
  } catch {
    return [];
  }
}
