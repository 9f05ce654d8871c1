/** Devices that a container is given besides networks: `--network macvlan:eth0`, `veth`, `port:br0`, `interface:eth1`. */
import { invalid, VitrineError } from "../errors.ts";
import { ipBytes } from "../linux/ip.ts";
import type { MacvlanMode } from "../linux/links.ts";
import { linksIn } from "./networkchoice.ts";
import { checkDevice, checkMac } from "./networkwords.ts";
import type { RunOptions } from "./options.ts";

/** On top of a device of the host; the other end of a cable to the host; one that is a port of a bridge there; a device of the host itself. */
export type LinkKind = "macvlan" | "veth" | "port" | "interface";

export interface LinkAddress {
  readonly address: string;
  /** "192.168.200.0/24" */
  readonly subnet: string;
  readonly gateway?: string | undefined;
}

export interface LinkChoice {
  /** As it is told: "macvlan:eth0", "veth" */
  readonly name: string;
  readonly kind: LinkKind;
  /** The host's device; "" of veth. */
  readonly host: string;
  readonly mode?: MacvlanMode | undefined;
  readonly v4?: LinkAddress | undefined;
  readonly v6?: LinkAddress | undefined;
  /** Addresses come by DHCP. */
  readonly dhcp: boolean;
  readonly mac?: string | undefined;
  /** Its name inside. */
  readonly device?: string | undefined;
  /** Of an interface: it is up on the host. */
  readonly wasUp?: boolean | undefined;
  /** Of the end on the host. */
  readonly hostDevice?: string | undefined;
}

/** What flags say of the only one. */
interface Said {
  readonly ip?: string | undefined;
  readonly ip6?: string | undefined;
  readonly mac?: string | undefined;
}

/** @throws INVALID for what is not understood or there twice */
export function linkChoices(options: RunOptions): LinkChoice[] {
  const texts = linksIn(options);
  const { ip, ip6, macAddress: mac, networks } = options;
  const links = texts.map((text) => readLink(text, networks.length === 1 ? { ip, ip6, mac } : {}));
  const twice = links.find(({ name }, i) => links.findIndex((other) => other.name === name) < i);
  if (twice) throw invalid(`--network ${twice.name} is given twice`);
  return links;
}

/** @throws INVALID, UNSUPPORTED for what is not understood; whether the host's device is there is not looked up */
export function readLink(text: string, said: Said = {}): LinkChoice {
  const [, kind, host = "", list = ""] =
    /^(macvlan|port|interface):([^:]*)(?::(.*))?$/.exec(text) ?? /^(veth)()(?::(.*))?$/.exec(text) ?? [];
  if (!isKind(kind)) throw invalid(`--network "${text}": not understood`, FORMS);
  const name = kind === "veth" ? kind : `${kind}:${host}`;
  const what = `--network ${name}`;
  if (kind !== "veth") checkDevice(host, what);
  const fields = readFields(kind, list, what);
  const told = [...fields.ip, ...[said.ip, said.ip6].filter((ip) => ip !== undefined)];
  const { v4, v6, dhcp } = readAddresses(told, fields.gateway, what);
  const { mode } = fields;
  const mac = checkMac(said.mac ?? fields.mac, what);
  if (kind === "macvlan" && mode === "passthru" && mac !== undefined)
    throw invalid(`${what}: with mode=passthru it has the MAC address of ${host}`, "leave mac out, or another mode");
  if (kind === "interface" && mac !== undefined) throw invalid(`${what}: a device of the host keeps its MAC address`);
  const device = fields.device ?? (kind === "interface" ? host : undefined);
  return {
    name,
    kind,
    host,
    dhcp,
    ...(kind === "macvlan" ? { mode: mode ?? "bridge" } : {}),
    ...(v4 ? { v4 } : {}),
    ...(v6 ? { v6 } : {}),
    ...(mac === undefined ? {} : { mac }),
    ...(device === undefined ? {} : { device }),
    ...(fields.hostDevice === undefined ? {} : { hostDevice: fields.hostDevice }),
  };
}

const FORMS = "macvlan:DEVICE, veth, port:BRIDGE or interface:DEVICE, each with :ip=ADDRESS/BITS,… behind it";

const isKind = (text: string | undefined): text is LinkKind =>
  text !== undefined && /^(macvlan|veth|port|interface)$/.test(text);
const isMode = (text: string): text is MacvlanMode => /^(bridge|private|vepa|passthru)$/.test(text);

interface Fields {
  readonly ip: string[];
  readonly gateway: string[];
  mode?: MacvlanMode;
  mac?: string;
  device?: string;
  hostDevice?: string;
}

function readFields(kind: LinkKind, list: string, what: string): Fields {
  const fields: Fields = { ip: [], gateway: [] };
  for (const field of list === "" ? [] : list.split(",")) {
    const at = field.indexOf("=");
    const [key, value] = at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
    if (value === "") throw invalid(`${what}: "${field}" has no value`);
    if (key === "ip" || key === "ip6") fields.ip.push(value);
    else if (key === "gateway") fields.gateway.push(value);
    else if (key === "mac" || key === "mac-address") fields.mac = value;
    else if (key === "interface" || key === "interface_name") fields.device = checkDevice(value, what);
    else if (key === "mode" && kind === "macvlan") {
      if (!isMode(value))
        throw invalid(`${what}: mode=${value}: no mode of macvlan`, "bridge, private, vepa, passthru");
      fields.mode = value;
    } else if ((key === "host_interface" || key === "host_interface_name") && (kind === "veth" || kind === "port"))
      fields.hostDevice = checkDevice(value, what);
    else
      throw new VitrineError("UNSUPPORTED", `${what}: "${key}" is not known`, {
        hint: `known: ${["ip", "gateway", "mac", "interface", ...OWN[kind]].join(", ")}`,
      });
  }
  return fields;
}

const OWN: Readonly<Record<LinkKind, readonly string[]>> = {
  macvlan: ["mode"],
  veth: ["host_interface"],
  port: ["host_interface"],
  interface: [],
};

function readAddresses(ips: readonly string[], gateways: readonly string[], what: string) {
  const dhcp = ips.includes("dhcp");
  const all = ips.filter((ip) => ip !== "dhcp").map((text) => readAddress(text, what));
  const four = all.filter(({ bytes }) => bytes.length === 4);
  const six = all.filter(({ bytes }) => bytes.length === 16);
  if (four.length + (dhcp ? 1 : 0) > 1 || six.length > 1)
    throw invalid(`${what}: several addresses of one family`, "one of IPv4, or dhcp, and one of IPv6");
  const own = [...four, ...six].map((one) => {
    const its = gateways.filter((gateway) => sizeOf(gateway) === one.bytes.length);
    if (its.length > 1) throw invalid(`${what}: several gateways of one family`);
    const [gateway] = its;
    if (gateway !== undefined) checkGateway(gateway, one, what);
    const { address, subnet, bytes } = one;
    return { bytes, placed: { address, subnet, ...(gateway === undefined ? {} : { gateway }) } };
  });
  const lost = gateways.find((gateway) => !own.some(({ placed }) => placed.gateway === gateway));
  if (lost !== undefined)
    throw invalid(
      `${what}: gateway=${lost}: ${sizeOf(lost) === 0 ? "not an address" : "there is no address of that family"}`,
      "ip=ADDRESS/BITS,gateway=ADDRESS",
    );
  return {
    dhcp,
    v4: own.find(({ bytes }) => bytes.length === 4)?.placed,
    v6: own.find(({ bytes }) => bytes.length === 16)?.placed,
  };
}

interface Read {
  readonly address: string;
  readonly subnet: string;
  readonly bytes: Uint8Array;
  readonly bits: number;
}

/** "192.168.200.7/24" */
function readAddress(text: string, what: string): Read {
  const [, address = "", digits = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const size = sizeOf(address === "" ? text : address);
  if (size === 0) throw invalid(`${what}: ip=${text}: not an address`, "ip=192.168.1.7/24, or ip=dhcp");
  const bits = Number(digits);
  if (address === "" || bits < 1 || bits > size * 8)
    throw invalid(
      `${what}: ip=${text}: how long the network's part is has to be said, for it is no network of vitrine's`,
      `ip=${address === "" ? text : address}/${size === 4 ? 24 : 64}`,
    );
  const bytes = ipBytes(address);
  const group = size === 4 ? (bytes[0] ?? 0) >= 224 : bytes[0] === 0xff;
  if (group || bytes.every((byte) => byte === 0) || (size === 4 && (bytes[0] === 127 || bytes[0] === 0)))
    throw invalid(`${what}: ip=${text}: no address of a host`);
  const network = Uint8Array.from(bytes, (byte, i) => byte & mask(bits, i));
  if (size === 4 && bits < 31) {
    const last = Uint8Array.from(bytes, (byte, i) => byte | (~mask(bits, i) & 0xff));
    if (same(bytes, network) || same(bytes, last))
      throw invalid(
        `${what}: ip=${text}: the ${same(bytes, network) ? "first" : "last"} one of its network is no host's`,
      );
  }
  return { address, bytes, bits, subnet: `${printed(network)}/${bits}` };
}

function checkGateway(gateway: string, { bytes, bits, address, subnet }: Read, what: string): void {
  const theirs = ipBytes(gateway);
  if (same(theirs, bytes)) throw invalid(`${what}: gateway=${gateway}: that is its own address`);
  const linkLocal = theirs.length === 16 && theirs[0] === 0xfe && ((theirs[1] ?? 0) & 0xc0) === 0x80;
  if (!linkLocal && !theirs.every((byte, i) => (byte & mask(bits, i)) === ((bytes[i] ?? 0) & mask(bits, i))))
    throw invalid(`${what}: gateway=${gateway}: not in ${subnet}, the network of ${address}`);
}

/** Of a prefix, its byte i. */
const mask = (bits: number, i: number) => (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff;
const same = (a: Uint8Array, b: Uint8Array) => a.every((byte, i) => byte === b[i]);

function printed(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  return Array.from({ length: 8 }, (_, i) => (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16)).join(
    ":",
  );
}

function sizeOf(ip: string): number {
  try {
    return ipBytes(ip).length;
  } catch {
    return 0;
  }
}
