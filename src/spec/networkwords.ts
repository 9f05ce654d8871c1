/** Names and addresses that flags of networks are made of. */
import { invalid } from "../errors.ts";

export function checkHostName(text: string, what: string): string {
  if (!/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9_])?$/.test(text))
    throw invalid(`${what}: "${text}" is no host name`, "letters, digits, - _ and ., at most 63");
  return text;
}

export function checkDevice(text: string, what: string): string {
  if (!/^[A-Za-z0-9_.-]{1,15}$/.test(text) || text === "lo" || text.startsWith("."))
    throw invalid(`${what}: "${text}" is no name of a network device`, "letters, digits, _ . -, at most 15");
  return text;
}

/** In small letters, with colons. @param what that says it; --mac-address if not given */
export function checkMac(mac: string | undefined, what?: string): string | undefined {
  const text = mac?.toLowerCase().replaceAll("-", ":");
  if (text === undefined) return undefined;
  const told = what === undefined ? `--mac-address "${mac}"` : `${what}: mac=${mac}`;
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(text))
    throw invalid(`${told}: not a MAC address`, "six bytes: 02:42:0a:5c:00:07");
  if (Number.parseInt(text.slice(0, 2), 16) & 1 || /^[0:]+$/.test(text))
    throw invalid(`${told}: that is a group's address, or none`, "the first byte is even: 02:42:0a:5c:00:07");
  return text;
}

/** What `--network` gives a container besides networks: see linkchoice.ts. */
export const isLink = (text: string) => kindOfLink(text) !== undefined;

/** "macvlan:eth0" → "macvlan"; undefined: a network. */
export const kindOfLink = (text: string): string | undefined =>
  /^(macvlan|port|interface)(?=:)|^veth(?=:|$)/.exec(text)?.[0];

/** As it is told: "macvlan:eth0:mode=private" → "macvlan:eth0". */
export const linkName = (text: string): string => /^veth|^[^:]*:[^:]*/.exec(text)?.[0] ?? text;
