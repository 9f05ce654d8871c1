/** On which networks a container is: `--network` and what belongs to it, in docker's and podman's words. */
import { invalid, VitrineError } from "../errors.ts";
import { ipBytes } from "../linux/ip.ts";
import { checkDevice, checkHostName, checkMac, isLink, kindOfLink } from "./networkwords.ts";
import type { RunOptions } from "./options.ts";

export interface NetworkChoice {
  readonly name: string;
  /** Further names that others on this network find it by. */
  readonly aliases: readonly string[];
  readonly ip?: string | undefined;
  /** The address comes by DHCP. */
  readonly dhcp?: boolean | undefined;
  readonly ip6?: string | undefined;
  /** "02:42:0a:5b:00:02" */
  readonly mac?: string | undefined;
  /** Of the device inside: eth0, eth1 if not said. */
  readonly device?: string | undefined;
  /** Of the end on the host; "ve-" has the container's name behind it. */
  readonly hostDevice?: string | undefined;
}

/** What devices are called inside: as asked for, else the first of eth0, eth1, … that nobody asks for. @throws INVALID for one name twice */
export function deviceNames(
  choices: readonly { readonly name: string; readonly device?: string | undefined }[],
): string[] {
  const asked = new Map<string, string>();
  for (const { name, device } of choices) {
    if (device === undefined) continue;
    const other = asked.get(device);
    if (other !== undefined)
      throw invalid(`--network ${name}: its device is to be called ${device} inside, and so is that of ${other}`);
    asked.set(device, name);
  }
  let number = 0;
  return choices.map(({ device }) => {
    if (device !== undefined) return device;
    while (asked.has(`eth${number}`)) number++;
    return `eth${number++}`;
  });
}

/** Of containers that are given one without a name of its own. */
export const DEFAULT_NETWORK = "bridge";

/** Not networks, but whose network namespace it is in. */
export const isMode = (text: string) => /^(none|host|container:.*|ns:.*)$/.test(text);

/**
 * @param asked the values of --network
 * @param otherwise where none is asked for
 * @returns the one that tells of them all, and the names of networks with what is said of each
 */
export function splitNetworks(asked: readonly string[], otherwise: string): { network: string; networks: string[] } {
  const said = asked.length > 0 ? asked : [otherwise];
  const words = [...new Set(said)].map((text) => (/^(default|private)$/.test(text) ? DEFAULT_NETWORK : text));
  const [first = otherwise, ...others] = words;
  const mode = words.find(isMode);
  if (mode === undefined) return { network: nameIn(first), networks: words };
  if (others.length > 0)
    throw invalid(
      `--network: both "${first}" and "${others[0]}"`,
      `several can be given if all are networks: "${mode}" is none`,
    );
  return { network: first, networks: [] };
}

/** Devices besides networks, as they were asked for: see linkchoice.ts. */
export const linksIn = ({ networks = [] }: Pick<RunOptions, "networks">) => networks.filter(isLink);

/** @throws INVALID for what is not understood; whether the networks are there is not looked up */
export function networkChoices(options: RunOptions): NetworkChoice[] {
  const { networkAliases = [], ip, ip6, macAddress, network } = options;
  const all = options.networks ?? [];
  const networks = all.filter((text) => !isLink(text));
  const flags = { "--ip": ip, "--ip6": ip6, "--mac-address": macAddress, "--network-alias": networkAliases[0] };
  const [said] = Object.entries(flags).find(([, value]) => value !== undefined) ?? [];
  if (networks.length === 0) {
    const oneLink = all.length === 1 && said !== "--network-alias";
    if (said !== undefined && !oneLink)
      throw invalid(
        `${said}: with --network ${network} the container is on no network${all.length > 1 ? ", and has several devices" : ""}`,
        "--network NAME",
      );
    return [];
  }
  const choices = networks.map(readChoice);
  const seen = new Set<string>();
  for (const { name } of choices) {
    if (seen.has(name)) throw invalid(`--network ${name} is given twice`);
    seen.add(name);
  }
  const [first] = choices;
  if (!first) return [];
  if (all.length > 1 && said !== undefined && said !== "--network-alias")
    throw invalid(
      `${said}: there are several networks`,
      `--network NAME:${said === "--mac-address" ? "mac" : said.slice(2)}=… says it of one`,
    );
  const aliases = networkAliases.map((alias) => checkHostName(alias, "--network-alias"));
  return choices.map((choice) => ({
    ...choice,
    aliases: [...choice.aliases, ...aliases],
    ...(choice === first
      ? checked({ ip: ip ?? choice.ip, ip6: ip6 ?? choice.ip6, mac: macAddress ?? choice.mac })
      : checked(choice)),
  }));
}

const nameIn = (text: string) => kindOfLink(text) ?? readChoice(text).name;

/** Of one network, as `--network` takes it. */
export function choiceText({ name, aliases, ip, dhcp, ip6, mac, device, hostDevice }: NetworkChoice): string {
  const said = { ip: dhcp ? "dhcp" : ip, ip6, mac, interface: device, host_interface: hostDevice };
  const fields = [
    ...aliases.map((alias) => `alias=${alias}`),
    ...Object.entries(said).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])),
  ];
  return fields.length > 0 ? `${name}:${fields.join(",")}` : name;
}

/** What `network connect` says of one network. @throws INVALID */
export function connectChoice(asked: NetworkChoice): NetworkChoice {
  const { name, aliases, device } = asked;
  return {
    name,
    aliases: aliases.map((alias) => checkHostName(alias, "--alias")),
    ...checked(asked),
    ...(device === undefined ? {} : { device: checkDevice(device, "--interface") }),
  };
}

/** "NAME", "NAME:ip=10.92.0.7,alias=web" (podman), "name=NAME,ip=10.92.0.7,alias=web" (docker) */
function readChoice(text: string): NetworkChoice {
  const what = `--network "${text}"`;
  const docker = /(^|,)name=/.test(text);
  const [name = "", list = ""] = docker ? ["", text] : splitOnce(text, ":");
  const choice: { -readonly [K in keyof NetworkChoice]: NetworkChoice[K] } & { aliases: string[] } = {
    name,
    aliases: [],
  };
  for (const field of list === "" ? [] : list.split(",")) {
    const [key = "", value = ""] = splitOnce(field, "=");
    if (value === "") throw invalid(`${what}: "${field}" has no value`);
    if (key === "name" && docker) choice.name = value;
    else if (key === "alias") choice.aliases.push(checkHostName(value, what));
    else if (key === "ip" && value.includes(":")) choice.ip6 = value;
    else if (key === "ip") choice.ip = value;
    else if (key === "ip6") choice.ip6 = value;
    else if (key === "mac" || key === "mac-address") choice.mac = value;
    else if (key === "host_interface_name" || key === "host_interface") choice.hostDevice = checkDevice(value, what);
    else if (key === "interface_name" || key === "interface") choice.device = checkDevice(value, what);
    else
      throw new VitrineError("UNSUPPORTED", `${what}: "${key}" is not known`, {
        hint: "known: ip, ip6, mac, alias, interface, host_interface",
      });
  }
  if (choice.name === "") throw invalid(`${what}: names no network`);
  return choice;
}

type Checked = Pick<NetworkChoice, "ip" | "ip6" | "mac" | "dhcp">;

function checked({ ip, ip6, mac }: Checked): Checked {
  if (ip === "dhcp") return { ...checked({ ip6, mac }), dhcp: true };
  if (ip !== undefined && sizeOf(ip) !== 4) throw invalid(`--ip "${ip}": not an IPv4 address`, "as 10.92.0.7");
  if (ip6 !== undefined && sizeOf(ip6) !== 16) throw invalid(`--ip6 "${ip6}": not an IPv6 address`);
  return { ip, ip6, mac: checkMac(mac) };
}

function sizeOf(ip: string): number {
  try {
    return ipBytes(ip).length;
  } catch {
    return 0;
  }
}

function splitOnce(text: string, by: string): [string, string] {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
