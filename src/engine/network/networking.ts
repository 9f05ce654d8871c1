/** The networks of a run: looked up, addresses taken, and put into words for the planner. */
import { readFileSync } from "node:fs";
import { type Identity, MOST_NETWORKS, runDirectory } from "../../container/identity.ts";
import { connectionsIn, type Paths } from "../../container/paths.ts";
import { hex, randomBytes } from "../../container/random.ts";
import { SHORT_ID_LENGTH } from "../../container/template.ts";
import { invalid } from "../../errors.ts";
import { dropLeases, nextAddress, takeAddress, takePlace } from "../../network/leases.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { findNetwork } from "../../network/store.ts";
import type { DhcpClient } from "../../plan/network/dhcp.ts";
import type { Endpoint, NetworkProgram } from "../../plan/network/endpoint.ts";
import type { Networks } from "../../plan/network/networks.ts";
import { DEFAULT_CONFIGURATION } from "../../spec/configuration.ts";
import { type Resolving, readResolvConf } from "../../spec/hostsfiles.ts";
import type { LinkChoice } from "../../spec/linkchoice.ts";
import {
  DEFAULT_NETWORK,
  deviceNames,
  isMode,
  linksIn,
  type NetworkChoice,
  networkChoices,
} from "../../spec/networkchoice.ts";
import type { RunOptions } from "../../spec/options.ts";
import { noSctp, type PublishedPort, parseExposed, parsePublish, reachable } from "../../spec/ports.ts";
import type { Engine } from "../context.ts";
import { defaultNetwork } from "./default.ts";
import { dhcpClient } from "./dhcp.ts";
import type { DhcpProgram } from "./dhcpclient.ts";
import { endpointOn, NO_WAY, waysOut } from "./endpoint.ts";
import { addressStandsFor, hostEnd, linkEndpoint } from "./linkendpoints.ts";
import { ensureResolver } from "./resolver.ts";
import { tableOf } from "./table.ts";

/** What a plan depends on. */
export interface RequestedNetworks {
  readonly networks: readonly { readonly record: Described; readonly choice: NetworkChoice }[];
  /** Devices besides; behind the networks. */
  readonly links?: readonly LinkChoice[];
  /** Where an address comes by DHCP: the client, and what the server is told that the container is called if not its id. */
  readonly dhcp?: { readonly program: DhcpProgram; readonly hostname?: string };
  readonly ports: readonly PublishedPort[];
  /** Of the host. */
  readonly resolving: Resolving;
}

type Described = Pick<
  NetworkRecord,
  | "id"
  | "name"
  | "driver"
  | "mode"
  | "device"
  | "v4"
  | "v6"
  | "internal"
  | "masquerade"
  | "names"
  | "mtu"
  | "gsoMaxSize"
>;

/**
 * @param manner `dry`: nothing is made. `again`: of a container that is there, whose networks may have been changed since: it may be on none
 * @throws NOT_FOUND, INVALID
 */
export async function resolveNetworks(
  engine: Engine,
  options: RunOptions,
  exposed: readonly string[],
  { dry, again }: { readonly dry: boolean; readonly again: boolean },
): Promise<RequestedNetworks | undefined> {
  const choices = networkChoices(options);
  const links = await linksOf(engine, options);
  const ports = portsOf(options, exposed);
  const alone = isMode(options.network) && links.length === 0;
  if (choices.length === 0 && (alone || (ports.length > 0 && !again))) {
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
  const devices = deviceNames([...choices, ...links]);
  const networks: RequestedNetworks["networks"][number][] = [];
  for (const [i, choice] of choices.entries()) {
    const { name } = choice;
    const record = name === DEFAULT_NETWORK ? await defaultNetwork(engine, dry) : findNetwork(engine.paths, name);
    if (networks.some((other) => other.record.id === record.id))
      throw invalid(`--network ${name}: that is network ${record.name}, which is given twice`);
    networks.push({
      record: described(record),
      choice: { ...(await withAskedAddress(record, choice)), device: devices[i] },
    });
  }
  const to = networks.find(({ record }) => record.driver === "bridge" && !record.internal)?.record;
  if (!again) checkPorts(ports, to, networks[0]?.record);
  const dhcp = await dhcpOf(options, networks, links);
  return {
    networks,
    ...(links.length > 0 ? { links: links.map((link, i) => ({ ...link, device: devices[choices.length + i] })) } : {}),
    ...(dhcp ? { dhcp } : {}),
    ports: to ? reachable(ports, to) : [],
    resolving: hostResolving(),
  };
}

/** @throws INVALID for a network whose addresses are the engine's to give, NOT_FOUND without a client */
async function dhcpOf(
  { hostname }: RunOptions,
  networks: RequestedNetworks["networks"],
  links: readonly LinkChoice[],
): Promise<RequestedNetworks["dhcp"]> {
  const asked = networks.filter(({ choice }) => choice.dhcp);
  const wrong = asked.find(({ record }) => record.driver !== "macvlan");
  if (wrong)
    throw invalid(
      `--ip dhcp: vitrine gives the addresses of network ${wrong.record.name}`,
      "leave it out; DHCP is for macvlan networks, and for --network macvlan:DEVICE",
    );
  if (asked.length === 0 && !links.some(({ dhcp }) => dhcp)) return undefined;
  const program = (await import("./dhcpclient.ts")).findDhcpProgram();
  return { program, ...(hostname === undefined ? {} : { hostname }) };
}

/** @param to whom they would lead to @throws INVALID */
function checkPorts(ports: readonly PublishedPort[], to: Described | undefined, first: Described | undefined): void {
  if (ports.length === 0) return;
  if (!to && first?.driver === "macvlan")
    throw invalid(
      `--publish: on ${first.name}, a macvlan network, the container has an address of its own, and all ports of it`,
      "leave it out, or name a bridge network too",
    );
  if (!to)
    throw invalid(`--publish: network ${first?.name} is internal, and nothing comes in`, "another network besides");
  const six = ports.find(({ host }) => host.includes(":"));
  if (six && !to.v6) throw invalid(`--publish [${six.host}]: network ${to.name} has no IPv6`);
}

async function linksOf(engine: Engine, options: RunOptions): Promise<LinkChoice[]> {
  if (linksIn(options).length === 0) return [];
  const [{ linkChoices }, { checkLinks }] = await Promise.all([
    import("../../spec/linkchoice.ts"),
    import("./linking.ts"),
  ]);
  return checkLinks(engine, linkChoices(options));
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
  gsoMaxSize,
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
    ...(gsoMaxSize === undefined ? {} : { gsoMaxSize }),
  };
}

/** Its addresses in the form in which they are taken. */
export async function withAskedAddress(network: NetworkRecord, choice: NetworkChoice): Promise<NetworkChoice> {
  if (choice.ip6 === undefined) return choice;
  const { askedAddress } = await import("../../network/askedaddress.ts"); // a library for it
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
  const chosen = rest.map(({ port, protocol }) => {
    if (protocol === "sctp") throw noSctp(`--publish-all: ${port}/sctp`);
    return { port, protocol, host: publishAddress, hostPort: 0 };
  });
  return [...told, ...chosen];
}

/** systemd-resolved answers the host alone; whom it asks itself, is told in another file. */
export function hostResolving(): Resolving {
  const own = readResolvConf(hostFile("/etc/resolv.conf"));
  if (own.servers.length === 1 && own.servers[0] === "127.0.0.53")
    return { ...own, servers: readResolvConf(hostFile("/run/systemd/resolve/resolv.conf")).servers };
  return own;
}

/** Empty if it cannot be read. */
export function hostFile(file: string): string {
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
      const lease = { run, names, mac: choice.mac };
      if (choice.dhcp) {
        const place = addressStandsFor(identity, addresses.length);
        await takePlace(paths, record, lease, place);
        addresses.push(place);
      } else addresses.push(await takeAddress(paths, record, lease, choice));
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
      ...asked.networks.map(({ record, choice }, i) =>
        choice.dhcp ? addressStandsFor(identity, i) : nextAddress(paths, record, choice),
      ),
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
  asked: RequestedNetworks,
  identity: Identity,
  env: readonly string[],
): Networks {
  const { paths, program } = engine;
  const { networks, links = [], ports } = asked;
  const ownWay = links.some(({ v4, v6 }) => v4?.gateway !== undefined || v6?.gateway !== undefined);
  const waysOf = (one: RequestedNetworks["networks"][number]) => ({
    v6: one.record.v6,
    internal: one.record.internal || one.choice.dhcp === true, // its client sees to that
  });
  const ways = ownWay ? NO_WAY : waysOut(networks.map(waysOf));
  const arguments_ = ["--root", paths.root, "--state", paths.state];
  const client = dhcpClients(
    asked,
    identity,
    runDirectory(paths, identity),
    [program, ...arguments_],
    ownWay || ways.v4 >= 0,
  );
  const endpoints = networks.map(({ record, choice }, i): Endpoint => {
    const address = identity.addresses?.[i] ?? "";
    const own = {
      port: hostEnd(choice.hostDevice, identity, i),
      name: choice.device ?? `eth${i}`,
      id: identity.id,
      address,
      address6: choice.ip6,
      mac: choice.mac,
    };
    const { v4, v6, ...endpoint } = endpointOn(paths, record, own, { v4: i === ways.v4, v6: i === ways.v6 });
    if (choice.dhcp) return { ...endpoint, macFrom: address, dhcp: client(own.name) };
    return { ...endpoint, v4, ...(v6 ? { v6 } : {}) };
  });
  const others = links.map((link, j) => {
    const i = networks.length + j;
    const endpoint = linkEndpoint(link, identity.addresses?.[i] ?? "", i, identity);
    return link.dhcp ? { ...endpoint, dhcp: client(endpoint.name) } : endpoint;
  });
  return {
    program: { program, arguments: arguments_, env, table: tableOf(paths) },
    endpoints: [...endpoints, ...others],
    ...(others.some(({ kind }) => kind === "interface")
      ? { namespaceFile: `${runDirectory(paths, identity)}/netns` }
      : {}),
    ports,
    connections: connectionsIn(runDirectory(paths, identity)),
  };
}

/** One for each device whose address comes so; the first has the default route, if no other has. */
function dhcpClients(
  { dhcp }: RequestedNetworks,
  { id }: Identity,
  run: string,
  command: readonly string[],
  hasWay: boolean,
): (device: string) => DhcpClient {
  let way = !hasWay;
  return (device) => {
    if (!dhcp) throw new Error(`no DHCP client for ${device}`);
    const { program, hostname = id.slice(0, SHORT_ID_LENGTH) } = dhcp;
    const client = dhcpClient({ program, device, run, command, hostname, way });
    way = false;
    return client;
  };
}

/** The program that sets networks up, for a plan beside that of a run. */
export function networkProgram({ paths, program }: Engine): NetworkProgram {
  return { program, arguments: ["--root", paths.root, "--state", paths.state], env: [], table: tableOf(paths) };
}
