/** The firewall's table, as nft(8) reads it. One for all networks of a root; what a network has of its own are elements of sets. */
import { PUBLISHED } from "./ports.ts";

/** What the firewall has to know of a bridge network. */
export interface Guarded {
  readonly device: string;
  readonly v4: { readonly subnet: string; readonly gateway: string };
  readonly v6?: { readonly subnet: string; readonly gateway: string } | undefined;
  /** It reaches nothing outside. */
  readonly internal: boolean;
  /** What leaves has the host's address. */
  readonly masquerade: boolean;
  /** Names are answered at its gateway. */
  readonly names: boolean;
}

/** Where the resolver listens: port 53 of the gateways leads there, and is free to be published at all addresses of the host. */
export const RESOLVER_PORT = 20053;

/**
 * Everything that is the same for all networks; carried out again, it is as it was, and elements of maps stay.
 * @param closed devices between which the host forwarded nothing before it did so for containers: it still does not
 */
export function tableScript(table: string, closed: Closed): string {
  const t = `inet ${table}`;
  const sets = [
    "set bridges { type ifname; }",
    "set internal { type ifname; }",
    "set within { type ifname . ifname; }",
    "set behind4 { type ipv4_addr; flags interval; }",
    "set behind6 { type ipv6_addr; flags interval; }",
    "set hairpin4 { type ipv4_addr . ipv4_addr; flags interval; }",
    "set hairpin6 { type ipv6_addr . ipv6_addr; flags interval; }",
    "map names4 { type ipv4_addr : ipv4_addr . inet_service; }",
    "map names6 { type ipv6_addr : ipv6_addr . inet_service; }",
    `map ${PUBLISHED.v4} { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `map ${PUBLISHED.v6} { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }`,
    `map ${PUBLISHED.any4} { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `map ${PUBLISHED.any6} { type inet_proto . inet_service : ipv6_addr . inet_service; }`,
  ];
  // Before what is published: a container that has port 53 of all addresses gets what others ask, not what containers ask for names.
  const toResolver = [
    "meta l4proto { tcp, udp } th dport 53 dnat ip to ip daddr map @names4",
    "meta l4proto { tcp, udp } th dport 53 dnat ip6 to ip6 daddr map @names6",
  ];
  const chains: readonly (readonly [name: string, hook: string, rules: readonly string[]])[] = [
    // 127.0.0.1 is the host alone, also where route_localnet lets its packets through to a bridge.
    [
      "first",
      "type filter hook prerouting priority raw; policy accept;",
      ["ip daddr 127.0.0.0/8 iifname @bridges drop"],
    ],
    [
      "publish",
      "",
      [
        `dnat ip to ip daddr . meta l4proto . th dport map @${PUBLISHED.v4}`,
        `dnat ip6 to ip6 daddr . meta l4proto . th dport map @${PUBLISHED.v6}`,
        `dnat ip to meta l4proto . th dport map @${PUBLISHED.any4}`,
        `dnat ip6 to meta l4proto . th dport map @${PUBLISHED.any6}`,
      ],
    ],
    [
      "prerouting",
      "type nat hook prerouting priority dstnat; policy accept;",
      ["ip daddr 127.0.0.0/8 return", ...toResolver, "fib daddr type local jump publish"],
    ],
    [
      "output",
      "type nat hook output priority -100; policy accept;",
      // The kernel would take no answer from a bridge that is for ::1: refused at once is better than silence.
      ["ip6 daddr ::1 return", ...toResolver, "fib daddr type local jump publish"],
    ],
    [
      "postrouting",
      "type nat hook postrouting priority srcnat; policy accept;",
      [
        // Gateways are addresses of the host, which speaks to itself as what it is.
        'oifname "lo" return',
        // The container could not answer to 127.0.0.1, nor, by the bridge, to a neighbour who has asked the host.
        "ip saddr 127.0.0.0/8 oifname @bridges masquerade",
        "ct status dnat ip saddr . ip daddr @hairpin4 masquerade",
        "ct status dnat ip6 saddr . ip6 daddr @hairpin6 masquerade",
        "ip saddr @behind4 oifname != @bridges masquerade",
        "ip6 saddr @behind6 oifname != @bridges masquerade",
      ],
    ],
    [
      "forward",
      "type filter hook forward priority filter; policy accept;",
      [
        ...[...shut("ipv4", closed.v4), ...shut("ipv6", closed.v6)],
        "iifname != @bridges oifname != @bridges accept",
        "ct state established,related accept",
        "iifname . oifname @within accept",
        "iifname @internal drop",
        "oifname @bridges ct status dnat accept",
        "oifname @bridges drop",
      ],
    ],
  ];
  return [
    `add table ${t}`,
    ...sets.map((line) => line.replace(/^(\w+) (\w+) /, `add $1 ${t} $2 `)),
    ...chains.map(([name, hook]) => `add chain ${t} ${name}${hook === "" ? "" : ` { ${hook} }`}`),
    ...chains.map(([name]) => `flush chain ${t} ${name}`),
    ...chains.flatMap(([name, , rules]) => rules.map((rule) => `add rule ${t} ${name} ${rule}`)),
    "",
  ].join("\n");
}

/** Devices of the host by name, as they were when it began to forward. Those that others make later are theirs to guard. */
export interface Closed {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
}

function shut(family: "ipv4" | "ipv6", devices: readonly string[]): string[] {
  if (devices.length === 0) return [];
  const names = `{ ${devices.map((name) => `"${name}"`).join(", ")} }`;
  return [`meta nfproto ${family} iifname ${names} oifname ${names} drop`];
}

/**
 * What a network has in it. Adding what is there, and deleting what was just added, is no error: so this can be said again.
 * @param others whose elements stay
 */
export function networkScript(
  table: string,
  network: Guarded,
  what: "add" | "delete",
  others: readonly Guarded[] = [],
): string {
  const kept = new Set(others.flatMap(elementsOf).map(String));
  const elements = elementsOf(network).filter((one) => !kept.has(String(one)));
  const lines = (verb: string) =>
    elements.map(([set, element]) => `${verb} element inet ${table} ${set} { ${element} }`);
  return [...lines("add"), ...(what === "delete" ? lines("delete") : []), ""].join("\n");
}

function elementsOf(network: Guarded): (readonly [set: string, element: string])[] {
  const { device, v4, v6, internal, masquerade, names } = network;
  const resolver = (gateway: string) => `${gateway} : ${gateway} . ${RESOLVER_PORT}`;
  const name = `"${device}"`;
  return [
    ["bridges", name],
    ["within", `${name} . ${name}`],
    ["hairpin4", `${v4.subnet} . ${v4.subnet}`],
    ...(v6 ? [["hairpin6", `${v6.subnet} . ${v6.subnet}`] as const] : []),
    ...(internal ? [["internal", name] as const] : []),
    ...(masquerade && !internal ? [["behind4", v4.subnet] as const] : []),
    ...(masquerade && !internal && v6 ? [["behind6", v6.subnet] as const] : []),
    ...(names ? [["names4", resolver(v4.gateway)] as const] : []),
    ...(names && v6 ? [["names6", resolver(v6.gateway)] as const] : []),
  ];
}
