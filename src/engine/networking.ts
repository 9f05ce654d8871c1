/** The networks of a run: looked up, addresses taken, and put into words for the planner. */
import { readFileSync } from "node:fs";
import { type Identity, MOST_NETWORKS, runDirectory } from "../container/identity.ts";
import { DEFAULT_ROOT, DEFAULT_STATE, leasesDirectory, type Paths } from "../container/paths.ts";
import { hex, randomBytes } from "../container/random.ts";
import { invalid } from "../errors.ts";
import { defaultNetwork } from "../network/default.ts";
import { dropLeases, nextAddress, takeAddress } from "../network/leases.ts";
import type { NetworkRecord } from "../network/record.ts";
import { findNetwork } from "../network/store.ts";
import type { Endpoint, EndpointAddress } from "../plan/endpoint.ts";
import type { Networks } from "../plan/networks.ts";
import { DEFAULT_CONFIGURATION } from "../spec/configuration.ts";
import { type Resolving, readResolvConf } from "../spec/hostsfiles.ts";
import type { LinkChoice } from "../spec/linkchoice.ts";
import { DEFAULT_NETWORK, linksIn, type NetworkChoice, networkChoices } from "../spec/networkchoice.ts";
import type { RunOptions } from "../spec/options.ts";
import { type PublishedPort, parseExposed, parsePublish } from "../spec/ports.ts";
import type { Engine } from "./context.ts";
import { addressStandsFor, linkEndpoint } from "./linkendpoints.ts";
import { ensureResolver } from "./resolver.ts";

/** What a plan depends on. */
export interface RequestedNetworks {
  readonly networks: readonly { readonly record: Described; readonly choice: NetworkChoice }[];
  /** Devices besides; behind the networks. */
  readonly links?: readonly LinkChoice[];
  readonly ports: readonly PublishedPort[];
  /** Of the host. */
  readonly resolving: Resolving;
}

type Described = Pick<
  NetworkRecord,
  "id" | "name" | "driver" | "mode" | "device" | "v4" | "v6" | "internal" | "masquerade" | "names" | "mtu"
>;

/** @throws NOT_FOUND, INVALID */
export async function resolveNetworks(
  engine: Engine,
  options: RunOptions,
  exposed: readonly string[],
  dry: boolean,
): Promise<RequestedNetworks | undefined> {
  const choices = networkChoices(options);
  const links = await linksOf(engine, options);
  const ports = portsOf(options, exposed);
  if (choices.length === 0 && (links.length === 0 || ports.length > 0)) {
    if (ports.length > 0)
      throw invalid(
        `--publish ${options.publish[0] ?? ""}: with --network ${options.network} the container has no ports of its own`,
        options.network === "host"
          ? "the host's ports are its own: leave it out"
          : "--network bridge, or a network of your own",
      );
    return undefined;
  }
  const count = choices.length + links.length;
  if (count > MOST_NETWORKS) throw invalid(`--network: ${count} networks, and ${MOST_NETWORKS} at most`);
  checkDevices([...choices, ...links]);
  const networks: RequestedNetworks["networks"][number][] = [];
  for (const choice of choices) {
    const { name } = choice;
    const record = name === DEFAULT_NETWORK ? await defaultNetwork(engine, dry) : findNetwork(engine.paths, name);
    networks.push({ record: described(record), choice: await withAskedAddress(record, choice) });
  }
  const [first] = networks;
  for (const { host } of ports) {
    if (host.includes(":") && !first?.record.v6)
      throw invalid(`--publish [${host}]: network ${first?.record.name} has no IPv6`);
    if (first?.record.driver === "macvlan")
      throw invalid(
        `--publish: on ${first.record.name}, a macvlan network, the container has an address of its own, and all ports of it`,
        "leave it out, or name a bridge network first",
      );
    if (first?.record.internal)
      throw invalid(
        `--publish: network ${first.record.name} is internal, and nothing comes in`,
        "another network as the first",
      );
  }
  return { networks, ...(links.length > 0 ? { links } : {}), ports, resolving: hostResolving() };
}

async function linksOf(engine: Engine, options: RunOptions): Promise<LinkChoice[]> {
  if (linksIn(options).length === 0) return [];
  const [{ linkChoices }, { checkLinks }] = await Promise.all([
    import("../spec/linkchoice.ts"),
    import("./linking.ts"),
  ]);
  return checkLinks(engine, linkChoices(options));
}

/** Two devices of one name cannot be in a container. */
function checkDevices(choices: readonly { readonly name: string; readonly device?: string | undefined }[]): void {
  const seen = new Map<string, string>();
  for (const [i, { name, device = `eth${i}` }] of choices.entries()) {
    const other = seen.get(device);
    if (other !== undefined)
      throw invalid(`--network ${name}: its device is to be called ${device} inside, and so is that of ${other}`);
    seen.set(device, name);
  }
}

function described({
  id,
  name,
  driver,
  mode,
  device,
  v4,
  v6,
  internal,
  masquerade,
  names,
  mtu,
}: NetworkRecord): Described {
  return {
    id,
    name,
    driver,
    ...(mode === undefined ? {} : { mode }),
    device,
    v4,
    ...(v6 ? { v6 } : {}),
    internal,
    masquerade,
    names,
    ...(mtu === undefined ? {} : { mtu }),
  };
}

/** Its addresses in the form in which they are taken. */
export async function withAskedAddress(network: NetworkRecord, choice: NetworkChoice): Promise<NetworkChoice> {
  if (choice.ip6 === undefined) return choice;
  const { askedAddress } = await import("../network/askedaddress.ts"); // a library for it
  return { ...choice, ip6: undefined, ...askedAddress(network, choice) };
}

function portsOf(options: RunOptions, exposed: readonly string[]): PublishedPort[] {
  const {
    publish = [],
    publishAddress = DEFAULT_CONFIGURATION.publishAddress,
    publishAll = false,
    expose = [],
  } = options;
  const told = publish.flatMap((text) => parsePublish(text, publishAddress));
  const all = [...expose, ...exposed].flatMap(parseExposed);
  if (!publishAll) return told;
  const rest = all.filter((one, i) => {
    const same = (other: { port: number; protocol: string }) =>
      other.port === one.port && other.protocol === one.protocol;
    return !told.some(same) && all.findIndex(same) === i;
  });
  return [...told, ...rest.map((one) => ({ ...one, host: publishAddress, hostPort: 0 }))];
}

/** systemd-resolved answers the host alone; whom it asks itself, is told in another file. */
function hostResolving(): Resolving {
  const own = readResolvConf(read("/etc/resolv.conf"));
  if (own.servers.length === 1 && own.servers[0] === "127.0.0.53")
    return { ...own, servers: readResolvConf(read("/run/systemd/resolve/resolv.conf")).servers };
  return own;
}

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** Takes an address on each network, for a run whose directory is claimed. @returns the identity with them */
export async function takeAddresses(engine: Engine, asked: RequestedNetworks, identity: Identity): Promise<Identity> {
  const { paths } = engine;
  const run = runName(paths, identity);
  const addresses: string[] = [];
  try {
    for (const { record, choice } of asked.networks) {
      const names = [identity.name, ...choice.aliases, identity.id.slice(0, 12)];
      addresses.push(await takeAddress(paths, record, { run, names, mac: choice.mac }, choice));
      if (record.names) await ensureResolver(engine, record);
    }
    return { ...identity, addresses: [...addresses, ...standIns(asked, identity)], link: hex(randomBytes(4)) };
  } catch (error) {
    dropAddresses(engine, asked, identity);
    throw error;
  }
}

/** Of devices besides networks. */
function standIns({ links = [], networks }: RequestedNetworks, identity: Identity): string[] {
  return links.map((_, i) => addressStandsFor(identity, networks.length + i));
}

export function dropAddresses({ paths }: Engine, asked: RequestedNetworks | undefined, identity: Identity): void {
  if (asked)
    dropLeases(
      paths,
      asked.networks.map(({ record }) => record.name),
      runName(paths, identity),
    );
}

/** Which ones it would have; nothing is changed. */
export function foreseeAddresses(
  { paths }: Engine,
  asked: RequestedNetworks | undefined,
  identity: Identity,
): Identity {
  if (!asked) return identity;
  const link = hex(randomBytes(4));
  return {
    ...identity,
    link,
    addresses: [
      ...asked.networks.map(({ record, choice }) => nextAddress(paths, record, choice)),
      ...standIns(asked, identity),
    ],
  };
}

function runName(paths: Paths, identity: Identity): string {
  const directory = runDirectory(paths, identity);
  return directory.slice(directory.lastIndexOf("/") + 1);
}

/** Of a run with this identity. */
export function planInput(
  engine: Engine,
  { networks, links = [], ports }: RequestedNetworks,
  identity: Identity,
  env: readonly string[],
): Networks {
  const { paths, program } = engine;
  const ownWay = links.some(({ v4, v6 }) => v4?.gateway !== undefined || v6?.gateway !== undefined);
  const out = ownWay ? -1 : networks.findIndex(({ record }) => !record.internal);
  const endpoints = networks.map(({ record, choice }, i): Endpoint => {
    const address = identity.addresses?.[i] ?? "";
    const { v4, v6, device, name, mtu, driver, mode = "bridge" } = record;
    const way = i === out;
    return {
      network: name,
      bridge: device,
      ...(driver === "macvlan" ? { mode } : {}),
      port: `veth${identity.link}${i === 0 ? "" : i}`,
      name: choice.device ?? `eth${i}`,
      v4: placed(address, v4, way),
      ...(v6 ? { v6: placed(choice.ip6 ?? sixOf(v6.subnet, address), v6, way) } : {}),
      ...(choice.mac === undefined ? {} : { mac: choice.mac }),
      ...(mtu === undefined ? {} : { mtu }),
      lease: `${leasesDirectory(paths, name)}/${address}`,
      id: identity.id,
    };
  });
  const others = links.map((link, j) => {
    const i = networks.length + j;
    return linkEndpoint(link, identity.addresses?.[i] ?? "", i, identity);
  });
  const arguments_ = ["--root", paths.root, "--state", paths.state];
  return {
    program: { program, arguments: arguments_, env, table: tableOf(paths) },
    endpoints: [...endpoints, ...others],
    ports,
  };
}

const placed = (address: string, { subnet, gateway }: NetworkRecord["v4"], way: boolean): EndpointAddress => ({
  address,
  subnet,
  ...(way ? { gateway } : {}),
});

/** "fd12:3456:789a:1::/64", "10.91.0.2" → "fd12:3456:789a:1::10.91.0.2" */
export const sixOf = (subnet: string, address: string) => subnet.replace(/\/\d+$/, "") + address;

/** One for each root: two engines on a host do not meet in the firewall. */
export function tableOf({ root, state }: Paths): string {
  if (root === DEFAULT_ROOT && state === DEFAULT_STATE) return "vitrine";
  return `vitrine-${Bun.hash.crc32(`${root}\0${state}`).toString(16).padStart(8, "0")}`;
}
