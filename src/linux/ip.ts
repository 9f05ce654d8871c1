/** Addresses as bytes: 4 of IPv4, 16 of IPv6. For texts that were checked before. */

export type Ip = Uint8Array;

/** @throws on what is no address */
export function ipBytes(text: string): Ip {
  if (!text.includes(":")) return v4(text);
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const [head = "", tail] = (dotted?.[1] ?? text).replace(dotted ? /(?<=[^:]):$/ : /$^/, "").split("::");
  if (text.split("::").length > 2) throw new Error(`"${text}" is no IPv6 address`);
  const last = dotted ? v4(dotted[2] ?? "") : new Uint8Array();
  const before = groups(head);
  const after = [...groups(tail ?? ""), ...last];
  const zeros = 16 - before.length - after.length;
  if (zeros < 0 || (tail === undefined && zeros > 0)) throw new Error(`"${text}" is no IPv6 address`);
  return Uint8Array.from([...before, ...new Array(zeros).fill(0), ...after]);
}

function groups(text: string): number[] {
  if (text === "") return [];
  return text.split(":").flatMap((group) => {
    if (!/^[0-9a-f]{1,4}$/i.test(group)) throw new Error(`"${group}" is no part of an IPv6 address`);
    const value = Number.parseInt(group, 16);
    return [value >> 8, value & 0xff];
  });
}

function v4(text: string): Ip {
  const parts = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (parts.length !== 4 || parts.some((part) => part > 255)) throw new Error(`"${text}" is no IPv4 address`);
  return Uint8Array.from(parts);
}

/** "10.91.0.0/16" */
/** Without the dots that IPv6 addresses may end with: nft(8) does not take those. */
export function plainIp(text: string): string {
  const ip = ipBytes(text);
  if (ip.length === 4) return ip.join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (((ip[2 * i] ?? 0) << 8) | (ip[2 * i + 1] ?? 0)).toString(16));
  return groups.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
}

export function subnetParts(subnet: string): { ip: Ip; prefix: number } {
  const [ip = "", prefix] = subnet.split("/");
  return { ip: ipBytes(ip), prefix: Number(prefix) };
}

/** The last address of an IPv4 subnet; of IPv6 there is none. */
export function broadcastIn(subnet: string): Ip | undefined {
  const { ip, prefix } = subnetParts(subnet);
  return ip.length === 4 ? ip.map((byte, i) => byte | (255 >> Math.min(8, Math.max(0, prefix - 8 * i)))) : undefined;
}

/** "02:42:0a:5b:00:02" */
/** Docker's: whoever has the IPv4 address next has the same MAC, and no neighbour has to ask anew. */
export const macFor = (address: string): Uint8Array => Uint8Array.of(2, 0x42, ...ipBytes(address));

export const macText = (mac: Uint8Array): string =>
  [...mac].map((byte) => byte.toString(16).padStart(2, "0")).join(":");

export const macBytes = (text: string): Uint8Array =>
  Uint8Array.from(text.split(":"), (part) => Number.parseInt(part, 16));
