/** Systemd-nspawn's flags for networks, as words of `--network`. */

import { invalid } from "../errors.ts";
import { shortened } from "../linux/devicename.ts";
import { isLink } from "./networkwords.ts";

export interface NspawnFlags {
  readonly veth: boolean;
  /** "PARENT[:NAME]" */
  readonly macvlan: readonly string[];
  readonly bridge: readonly string[];
  /** "DEVICE[:NAME]" */
  readonly interfaces: readonly string[];
}

/** What a container's end of a pair is called. */
const INSIDE = "host0";

/**
 * @param asked the values of --network
 * @returns those and what the flags stand for; --network-veth is a name for the devices of the first network, if there is one
 */
export function withNspawn(asked: readonly string[], { veth, macvlan, bridge, interfaces }: NspawnFlags): string[] {
  if (bridge.length > 1) throw invalid("--network-bridge is given twice", "one, and --network port:BRIDGE for another");
  const own = [
    ...bridge.map((name) => `port:${one(name, "--network-bridge")}:interface=${INSIDE}`),
    ...macvlan.map((text) => {
      const [device, name] = named(text, "--network-macvlan", (parent) => shortened(`mv-${parent}`));
      return `macvlan:${device}:interface=${name}`;
    }),
    ...interfaces.map((text) => {
      const [device, name] = named(text, "--network-interface", (other) => other);
      return `interface:${device}:interface=${name}`;
    }),
  ];
  const network = asked.find((text) => !isLink(text) && !/^(none|host|container:.*|ns:.*)$/.test(text));
  const pair = veth && bridge.length === 0; // as with nspawn, --network-bridge says it too
  const all = pair && network !== undefined ? asked.map((text) => (text === network ? renamed(text) : text)) : asked;
  if (pair && network === undefined) own.unshift(`veth:interface=${INSIDE}`);
  return own.length === 0 ? [...all] : [...all.filter((text) => text !== "none"), ...own];
}

function renamed(text: string): string {
  const names = `interface=${INSIDE},host_interface=ve-`;
  if (/(^|,)name=/.test(text)) return `${text},${names}`;
  return text.includes(":") ? `${text},${names}` : `${text}:${names}`;
}

function one(text: string, flag: string): string {
  if (text === "" || text.includes(":")) throw invalid(`${flag} "${text}": names no device`);
  return text;
}

function named(text: string, flag: string, otherwise: (device: string) => string): [device: string, name: string] {
  const [device = "", name = otherwise(device), ...rest] = text.split(":");
  if (device === "" || name === "" || rest.length > 0) throw invalid(`${flag} "${text}": not DEVICE[:NAME]`);
  return [device, name];
}
