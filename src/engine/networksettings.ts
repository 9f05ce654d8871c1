/** Networks and ports of a container, as docker tells them. */

import { subnetParts } from "../linux/ip.ts";
import { readNetwork } from "../network/store.ts";
import { type Endpoint, macOf, macText } from "../plan/endpoint.ts";
import { linksIn, type NetworkChoice, networkChoices } from "../spec/networkchoice.ts";
import { linkName } from "../spec/networkwords.ts";
import { type ExposedProtocol, hostText, type PublishedPort, parseExposed } from "../spec/ports.ts";
import { canonicalAddress } from "../spec/subnet.ts";
import type { Engine } from "./context.ts";
import { readLease } from "./heldlease.ts";
import { actualPorts } from "./networked.ts";
import type { Listed } from "./ps.ts";

interface Exposed {
  readonly port: number;
  readonly protocol: ExposedProtocol;
}

/** Ports of the host that lead to it, while it runs. */
export function publishedOf({ run, record }: Listed): PublishedPort[] {
  return run && record ? actualPorts(run.directory, record) : [];
}

/** Those that it or its image tells of, and the others that are published. */
export function exposedOf({ container }: Listed): Exposed[] {
  const texts = [...(container.options?.expose ?? []), ...(container.source?.config.exposed ?? [])];
  return texts.flatMap(parseExposed);
}

/** Its networks by name: what was asked for. */
export function networksOf({ container }: Listed): NetworkChoice[] {
  return container.options ? networkChoices(container.options) : [];
}

/** Of `ps`: networks, or what its network is instead. */
export function networkNames(listed: Listed): string[] {
  const links = linksIn(listed.container.options ?? { networks: [] }).map(linkName);
  const names = [...networksOf(listed).map(({ name }) => name), ...links];
  return names.length > 0 ? names : [listed.container.options?.network ?? "none"];
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
export function networkSettings(engine: Engine, listed: Listed) {
  const endpoints = listed.record?.input.networks?.endpoints ?? [];
  const choices = networksOf(listed);
  const mode = listed.container.options?.network ?? "none";
  const [first] = endpoints;
  const links = linksIn(listed.container.options ?? { networks: [] });
  const networks =
    choices.length + links.length > 0
      ? Object.fromEntries([
          ...choices.map((choice, i) => [choice.name, endpointDocument(engine, listed, choice, endpoints[i])]),
          ...links.map((link, i) => [linkName(link), linkDocument(endpoints[choices.length + i])]),
        ])
      : /^(none|host)$/.test(mode)
        ? { [mode]: { IPAddress: "", Gateway: "", MacAddress: "" } }
        : {};
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: "",
    Ports: portsDocument(listed),
    EndpointID: "",
    ...addressesOf(first),
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

function endpointDocument(
  { paths }: Engine,
  { container }: Listed,
  choice: NetworkChoice,
  endpoint: Endpoint | undefined,
) {
  const short = container.id.slice(0, 12);
  return {
    IPAMConfig: choice.ip === undefined ? null : { IPv4Address: choice.ip },
    Links: null,
    Aliases: choice.aliases.length > 0 ? choice.aliases : null,
    DriverOpts: null,
    NetworkID: readNetwork(paths, choice.name)?.id ?? "",
    EndpointID: "",
    ...addressesOf(endpoint),
    DNSNames: [container.name, ...choice.aliases, short],
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
  const v4 = lease ?? endpoint?.v4;
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
  for (const { port, protocol, host, hostPort } of record?.input.networks?.ports ?? [])
    result[`${port}/${protocol}`] = [
      ...(result[`${port}/${protocol}`] ?? []),
      { HostIp: host, HostPort: hostPort === 0 ? "" : String(hostPort) },
    ];
  return result;
}
