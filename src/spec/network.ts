/** What `network create` is asked for, read and checked as far as that needs no host. */
import { invalid, VitrineError } from "../errors.ts";
import type { MacvlanMode } from "../linux/links.ts";
import {
  addressAt,
  addressBytes,
  broadcastOf,
  type Cidr,
  canonicalAddress,
  contains,
  covers,
  formatAddress,
  formatCidr,
  parseCidr,
} from "./subnet.ts";

/** As given; what is left out is undefined. */
export interface NetworkAsked {
  readonly name: string;
  readonly driver?: string | undefined;
  readonly subnets: readonly string[];
  readonly gateways: readonly string[];
  readonly ranges: readonly string[];
  readonly ipv6?: boolean | undefined;
  readonly internal: boolean;
  readonly dns: boolean;
  readonly device?: string | undefined;
  /** "name=value" */
  readonly labels: readonly string[];
  readonly options: readonly string[];
}

/** Addresses as the user chose them. */
export interface AskedSubnet {
  readonly cidr: Cidr;
  readonly gateway: string;
  readonly range?: string;
}

export interface NetworkRequest {
  readonly name: string;
  readonly driver: "bridge" | "macvlan";
  /** Undefined: one that is free. */
  readonly v4: AskedSubnet | undefined;
  readonly v6: AskedSubnet | undefined;
  /** Undefined: as the host has it. */
  readonly ipv6: boolean | undefined;
  readonly internal: boolean;
  readonly names: boolean;
  readonly masquerade: boolean;
  readonly mtu: number | undefined;
  readonly gsoMaxSize: number | undefined;
  readonly device: string | undefined;
  readonly parent: string | undefined;
  readonly mode: MacvlanMode | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}

/** Names that `run --network` has another meaning for. */
const TAKEN = [
  "none",
  "host",
  "container",
  "ns",
  "default",
  "private",
  "slirp4netns",
  "pasta",
  "macvlan",
  "dhcp",
  "veth",
  "port",
  "interface",
];

/** @throws INVALID, UNSUPPORTED */
export function readNetworkAsked(asked: NetworkAsked): NetworkRequest {
  const { name, driver = "bridge", internal } = asked;
  checkNetworkName(name);
  if (driver !== "bridge" && driver !== "macvlan")
    throw new VitrineError("UNSUPPORTED", `--driver "${driver}": there are networks of bridge and macvlan only`, {
      hint: driver === "host" || driver === "none" ? `vitrine run --network ${driver}` : undefined,
    });
  const options = assignments(asked.options);
  const chosen = readOptions(options, driver);
  const { v4, v6 } = readSubnets(asked);
  const device = deviceOf(asked.device, options["com.docker.network.bridge.name"]);
  if (driver === "macvlan" && device !== undefined)
    throw invalid("--interface-name: a macvlan network has no device of its own", "--opt parent=DEVICE");
  if (driver === "macvlan" && chosen.parent === undefined)
    throw invalid("--driver macvlan: no parent is given", "--opt parent=DEVICE, one of the host's");
  if (asked.ipv6 === false && v6) throw invalid("--ipv6=false, and yet a subnet of IPv6 is given");
  return {
    name,
    driver,
    v4,
    v6,
    ipv6: v6 ? true : asked.ipv6,
    internal,
    names: asked.dns && driver === "bridge",
    masquerade: driver === "bridge" && !internal && chosen.masquerade,
    mtu: chosen.mtu,
    gsoMaxSize: chosen.gsoMaxSize ?? (driver === "bridge" && internal ? LARGE : undefined),
    device,
    parent: chosen.parent,
    mode: driver === "macvlan" ? (chosen.mode ?? "bridge") : undefined,
    labels: assignments(asked.labels),
    options,
  };
}

export function checkNetworkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name))
    throw invalid(
      `"${name}" is no name of a network`,
      "letters and digits, after the first one also _ . -; at most 128",
    );
  if (TAKEN.includes(name) || name === "bridge")
    throw invalid(`network "${name}": the name has a meaning of its own in vitrine run --network`, "another one");
}

/** What the kernel takes as a name of a device. @param what the flag */
export function checkDeviceName(name: string, what: string): string {
  const size = new TextEncoder().encode(name).length;
  if (size > 15) throw invalid(`${what} "${name}": names of network devices have at most 15 bytes, this one ${size}`);
  if (!/^[\x21-\x7e]+$/.test(name) || /[/:%"'\\]/.test(name) || name === "." || name === ".." || name.startsWith("-"))
    throw invalid(`${what} "${name}": no name of a network device`, "letters, digits, _ . -");
  if (["lo", "all", "default"].includes(name)) throw invalid(`${what} "${name}": that name is the kernel's`);
  return name;
}

function deviceOf(flag: string | undefined, option: string | undefined): string | undefined {
  if (flag !== undefined && option !== undefined && flag !== option)
    throw invalid(`--interface-name "${flag}" and --opt com.docker.network.bridge.name=${option} are two names`);
  const name = flag ?? option;
  return name === undefined ? undefined : checkDeviceName(name, flag === undefined ? "--opt" : "--interface-name");
}

/** Docker's names and podman's for what works; of the others, what to do instead. */
const REFUSED: Readonly<Record<string, string>> = {
  "com.docker.network.bridge.enable_icc": "containers that shall not speak to each other go to networks of their own",
  "com.docker.network.bridge.host_binding_ipv4": "-p ADDRESS:PORT:PORT says where a port is published",
  "com.docker.network.bridge.gateway_mode_ipv4": "--internal closes it; ports are published with -p",
  "com.docker.network.bridge.gateway_mode_ipv6": "--internal closes it; ports are published with -p",
  "com.docker.network.bridge.inhibit_ipv4": "the gateway is the bridge's address",
  "com.docker.network.container_iface_prefix": "vitrine run --network NAME:interface=…",
  "com.docker.network.host_ipv4": "traffic leaves with the address that the host's routes give it",
  isolate: "networks are isolated from each other always",
  metric: "routes on the host are changed with ip route",
  no_default_route: "--internal has none",
  vlan: "ip link add link DEVICE name DEVICE.ID type vlan id ID makes a device; --driver macvlan --opt parent=DEVICE.ID",
  vrf: "ip link set BRIDGE vrf NAME",
  bclim: "it is the kernel's own choice",
};

/** Nothing goes from an internal network to a device that would have to cut it: docs/decisions/0039-large-packets.md. */
const LARGE = 196_608;
/** GSO_MAX_SIZE of linux/netdevice.h. */
const GSO_SIZES = { least: 2048, most: 524_280 };

const BRIDGE_OPTIONS = [
  "com.docker.network.bridge.name",
  "com.docker.network.bridge.enable_ip_masquerade",
  "com.docker.network.driver.mtu",
  "mtu",
  "gso_max_size",
];
const MACVLAN_OPTIONS = ["parent", "macvlan_mode", "mode", "com.docker.network.driver.mtu", "mtu"];

interface Chosen {
  readonly mtu: number | undefined;
  readonly gsoMaxSize: number | undefined;
  readonly masquerade: boolean;
  readonly parent: string | undefined;
  readonly mode: MacvlanMode | undefined;
}

function readOptions(options: Readonly<Record<string, string>>, driver: "bridge" | "macvlan"): Chosen {
  const known = driver === "bridge" ? BRIDGE_OPTIONS : MACVLAN_OPTIONS;
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(REFUSED, name))
      throw new VitrineError("UNSUPPORTED", `--opt ${name}: does not work here`, { hint: REFUSED[name] });
    if (!known.includes(name))
      throw invalid(`--opt ${name}: not known of ${driver} networks`, `known: ${known.join(", ")}`);
  }
  const masquerade = options["com.docker.network.bridge.enable_ip_masquerade"] ?? "true";
  if (!/^(true|false|1|0)$/.test(masquerade))
    throw invalid(`--opt com.docker.network.bridge.enable_ip_masquerade=${masquerade}: neither true nor false`);
  const mtu = options["com.docker.network.driver.mtu"] ?? options.mtu;
  if (mtu !== undefined && !(/^\d{1,5}$/.test(mtu) && Number(mtu) >= 68 && Number(mtu) <= 65535))
    throw invalid(`--opt mtu=${mtu}: no number from 68 to 65535`);
  const gso = options.gso_max_size;
  if (gso !== undefined && !(/^\d{1,6}$/.test(gso) && Number(gso) >= GSO_SIZES.least && Number(gso) <= GSO_SIZES.most))
    throw invalid(`--opt gso_max_size=${gso}: no number from ${GSO_SIZES.least} to ${GSO_SIZES.most}`);
  const mode = options.macvlan_mode ?? options.mode;
  if (mode !== undefined && !isMode(mode))
    throw invalid(`--opt mode=${mode}: no mode of macvlan`, "bridge, private, vepa, passthru");
  return {
    mtu: mtu === undefined ? undefined : Number(mtu),
    gsoMaxSize: gso === undefined ? undefined : Number(gso),
    masquerade: /^(true|1)$/.test(masquerade),
    parent: options.parent === undefined ? undefined : checkDeviceName(options.parent, "--opt parent="),
    mode,
  };
}

const isMode = (text: string): text is MacvlanMode => /^(bridge|private|vepa|passthru)$/.test(text);

/** Gateways and ranges belong to the subnet that they lie in. */
function readSubnets({ subnets, gateways, ranges }: NetworkAsked): {
  v4: AskedSubnet | undefined;
  v6: AskedSubnet | undefined;
} {
  const cidrs = subnets.map((text) => parseCidr(text, "--subnet"));
  for (const family of [4, 6])
    if (cidrs.filter((cidr) => cidr.family === family).length > 1)
      throw new VitrineError("UNSUPPORTED", `--subnet ${subnets.join(" --subnet ")}: two of IPv${family}`, {
        hint: "a container can be on several networks",
      });
  for (const text of gateways) {
    const address = addressBytes(canonicalAddress(text, "--gateway"));
    if (!cidrs.some((cidr) => contains(cidr, address)))
      throw invalid(`--gateway ${text}: in no --subnet that is given`);
  }
  for (const text of ranges) {
    const range = parseCidr(text, "--ip-range");
    if (!cidrs.some((cidr) => covers(cidr, range))) throw invalid(`--ip-range ${text}: in no --subnet that is given`);
  }
  const of = (family: 4 | 6) => cidrs.find((cidr) => cidr.family === family);
  const v4 = of(4);
  const v6 = of(6);
  return {
    v4: v4 && askedSubnet(v4, gateways, ranges),
    v6: v6 && askedSubnet(v6, gateways, ranges, v4),
  };
}

function askedSubnet(cidr: Cidr, gateways: readonly string[], ranges: readonly string[], v4?: Cidr): AskedSubnet {
  const what = `--subnet ${formatCidr(cidr)}`;
  if (cidr.family === 4 && (cidr.length > 30 || cidr.length < 8))
    throw invalid(`${what}: ${cidr.length > 30 ? "no room for a gateway and a container" : "too large"}`, "/8 to /30");
  if (cidr.family === 6 && (cidr.length > 64 || cidr.length < 16))
    throw invalid(`${what}: the last half of an address is the container's`, "/16 to /64");
  if (cidr.family === 4 ? isOdd4(cidr.bytes[0] ?? 0) : isOdd6(cidr.bytes))
    throw invalid(`${what}: no addresses for hosts`, "one of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 or fd00::/8");
  const own = <T extends string>(texts: readonly T[], what: string) => {
    const [first, second] = texts.filter((text) => text.includes(":") === (cidr.family === 6));
    if (second !== undefined) throw invalid(`${what} ${first} and ${second}: there is one in a subnet`);
    return first;
  };
  const range = own(ranges, "--ip-range");
  if (range !== undefined && cidr.family === 6)
    throw new VitrineError("UNSUPPORTED", `--ip-range ${range}: of IPv6 there is none`, {
      hint: "a container's address ends with the four bytes of its IPv4 address",
    });
  const asked = own(gateways, "--gateway");
  const gateway = asked === undefined ? formatAddress(addressAt(cidr, 1)) : canonicalAddress(asked, "--gateway");
  checkGateway(cidr, gateway, v4);
  return { cidr, gateway, ...(range === undefined ? {} : { range: formatCidr(parseCidr(range, "--ip-range")) }) };
}

function checkGateway(cidr: Cidr, gateway: string, v4: Cidr | undefined): void {
  const bytes = addressBytes(gateway);
  const is = (other: readonly number[]) => bytes.every((byte, i) => byte === other[i]);
  if (is(cidr.bytes)) throw invalid(`--gateway ${gateway}: that is the subnet itself`);
  if (cidr.family === 4 && is(broadcastOf(cidr))) throw invalid(`--gateway ${gateway}: that is the broadcast address`);
  if (v4 && cidr.family === 6 && bytes.slice(8, 12).every((byte) => byte === 0) && contains(v4, bytes.slice(12)))
    throw invalid(`--gateway ${gateway}: a container would have this address`, `${formatAddress(addressAt(cidr, 1))}`);
}

const isOdd4 = (first: number) => first === 0 || first === 127 || first >= 224;
/** Multicast, link-local, and what begins with zeros. */
const isOdd6 = ([a = 0, b = 0]: readonly number[]) => a === 0xff || a === 0 || (a === 0xfe && (b & 0xc0) === 0x80);

function assignments(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}
