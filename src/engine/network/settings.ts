/** Networks and ports of a container, as docker tells them. */

import { networksOf } from "../../container/record.ts";
import { macText, subnetParts } from "../../linux/ip.ts";
import { readNetwork } from "../../network/store.ts";
import { type Endpoint, macOf, portsEndpoint } from "../../plan/network/endpoint.ts";
import { isMode, linksIn, type NetworkChoice, networkChoices } from "../../spec/networkchoice.ts";
import { linkName } from "../../spec/networkwords.ts";
import { type ExposedProtocol, hostText, type PublishedPort, parseExposed, reachable } from "../../spec/ports.ts";
import { canonicalAddress } from "../../spec/subnet.ts";
import type { Engine } from "../context.ts";
import type { Listed } from "../ps.ts";
import { readLease } from "./heldlease.ts";
import { actualPorts } from "./networked.ts";

interface Exposed {
  readonly port: number;
  readonly protocol: ExposedProtocol;
}

/** Ports of the host that lead to it, while it runs. */
export function publishedOf({ run, record, connections = [] }: Listed): PublishedPort[] {
  const to = portsEndpoint(connections.map(({ endpoint }) => endpoint));
  return run && record && to ? reachable(actualPorts(run.directory, record), to) : [];
}

/** Those that it or its image tells of, and the others that are published. */
export function exposedOf({ container }: Listed): Exposed[] {
  const texts = [...(container.options?.expose ?? []), ...(container.source?.config.exposed ?? [])];
  return texts.flatMap(parseExposed);
}

/** Its networks by name: what was asked for. */
function choicesOf({ container }: Listed): NetworkChoice[] {
  return container.options ? networkChoices(container.options) : [];
}

/** Devices besides. */
const linksOf = ({ container }: Listed) => linksIn(container.options ?? { networks: [] });

/** Of `ps`: networks, or what its network is instead. */
export function networkNames(listed: Listed): string[] {
  const links = linksOf(listed).map(linkName);
  if (listed.connections) return [...listed.connections.map(({ network }) => network.name), ...links];
  const names = [...choicesOf(listed).map(({ name }) => name), ...links];
  const { network = "none" } = listed.container.options ?? {};
  return names.length === 0 && isMode(network) ? [network] : names;
}

/** "127.0.0.1:8080->80/tcp, 53/udp": neighbours in one, as docker writes them. */
export function portsText(listed: Listed): string {
  const published = publishedOf(listed);
  const only = listed.record
    ? exposedOf(listed).filter(
        ({ port, protocol }) => !published.some((p) => p.port === port && p.protocol === protocol),
      )
    : [];
  const spans: { host: string | undefined; first: number; port: number; count: number; protocol: ExposedProtocol }[] =
    [];
  const all = [
    ...published.map(({ host, hostPort, port, protocol }) => ({ host, first: hostPort, port, protocol })),
    ...only.map(({ port, protocol }) => ({ host: undefined, first: 0, port, protocol })),
  ].sort(
    (a, b) => a.protocol.localeCompare(b.protocol) || (a.host ?? "~").localeCompare(b.host ?? "~") || a.port - b.port,
  );
  for (const one of all) {
    const last = spans.at(-1);
    const follows =
      last?.host === one.host &&
      last?.protocol === one.protocol &&
      last.port + last.count === one.port &&
      (one.host === undefined || last.first + last.count === one.first);
    if (last && follows) last.count++;
    else spans.push({ ...one, count: 1 });
  }
  const range = (first: number, count: number) => (count === 1 ? `${first}` : `${first}-${first + count - 1}`);
  return spans
    .map(({ host, first, port, count, protocol }) => {
      const inner = `${range(port, count)}/${protocol}`;
      return host === undefined ? inner : `${hostText(host, 0).slice(0, -1)}${range(first, count)}->${inner}`;
    })
    .join(", ");
}

/** Docker's NetworkSettings. */
export function networkSettings({ paths }: Engine, listed: Listed) {
  const { connections, container, record } = listed;
  const choices = choicesOf(listed);
  const choiceOf = (network: string) => choices.find(({ name }) => name === network);
  const { network: mode = "none" } = container.options ?? {};
  const networks: Record<string, object> = {};
  if (connections)
    for (const { network, lease, endpoint } of connections) {
      const choice = choiceOf(network.name);
      networks[network.name] = endpointDocument(network.id, lease.names, choice, endpoint);
    }
  else
    for (const choice of choices) {
      const id = readNetwork(paths, choice.name)?.id ?? "";
      const names = [container.name, ...choice.aliases, container.id.slice(0, 12)];
      networks[choice.name] = endpointDocument(id, names, choice, undefined);
    }
  const devices = (record && networksOf(record))?.endpoints.filter(({ kind }) => kind !== undefined) ?? [];
  for (const [i, link] of linksOf(listed).entries()) networks[linkName(link)] = linkDocument(devices[i]);
  if (Object.keys(networks).length === 0 && /^(none|host)$/.test(mode))
    networks[mode] = { IPAddress: "", Gateway: "", MacAddress: "" };
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: "",
    Ports: portsDocument(listed),
    EndpointID: "",
    ...addressesOf(connections?.[0]?.endpoint ?? devices[0]),
    Networks: networks,
  };
}

function portsDocument(listed: Listed) {
  const result: Record<string, { HostIp: string; HostPort: string }[] | null> = {};
  if (!listed.record) return result;
  for (const { port, protocol } of exposedOf(listed)) result[`${port}/${protocol}`] = null;
  for (const { port, protocol, host, hostPort } of publishedOf(listed))
    result[`${port}/${protocol}`] = [
      ...(result[`${port}/${protocol}`] ?? []),
      { HostIp: host, HostPort: String(hostPort) },
    ];
  return result;
}

/** @param names its own, aliases, and the short id */
function endpointDocument(
  network: string,
  names: readonly string[],
  choice: NetworkChoice | undefined,
  endpoint: Endpoint | undefined,
) {
  const { ip, ip6 } = choice ?? {};
  const aliases = names.slice(1, -1);
  return {
    IPAMConfig:
      ip === undefined && ip6 === undefined
        ? null
        : {
            ...(ip === undefined ? {} : { IPv4Address: ip }),
            ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
          },
    Links: null,
    Aliases: aliases.length > 0 ? aliases : null,
    DriverOpts: null,
    NetworkID: network,
    EndpointID: "",
    ...addressesOf(endpoint),
    DNSNames: [...names],
  };
}

/** Of a device that it has besides networks. */
function linkDocument(endpoint: Endpoint | undefined) {
  const nothing = { IPAMConfig: null, Links: null, Aliases: null, DriverOpts: null, NetworkID: "", EndpointID: "" };
  return { ...nothing, ...addressesOf(endpoint), DNSNames: null };
}

function addressesOf(endpoint: Endpoint | undefined) {
  const { v6, dhcp } = endpoint ?? {};
  const lease = dhcp && readLease(dhcp.directory);
  const v4 = dhcp ? lease : endpoint?.v4; // what stands for it is none
  const mac = endpoint && macOf(endpoint);
  return {
    Gateway: v4?.gateway ?? "",
    GlobalIPv6Address: v6 ? canonicalAddress(v6.address, "an endpoint's") : "",
    GlobalIPv6PrefixLen: v6 ? subnetParts(v6.subnet).prefix : 0,
    IPAddress: v4?.address ?? "",
    IPPrefixLen: v4 ? subnetParts(v4.subnet).prefix : 0,
    IPv6Gateway: v6?.gateway ?? "",
    MacAddress: mac ? macText(mac) : "",
  };
}

/** Docker's HostConfig.PortBindings: as asked for, 0 is "". */
export function portBindings({ record }: Listed) {
  const result: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const { port, protocol, host, hostPort } of (record && networksOf(record))?.ports ?? [])
    result[`${port}/${protocol}`] = [
      ...(result[`${port}/${protocol}`] ?? []),
      { HostIp: host, HostPort: hostPort === 0 ? "" : String(hostPort) },
    ];
  return result;
}
