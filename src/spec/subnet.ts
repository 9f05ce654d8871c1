/** Subnets in CIDR notation: read, held against each other, counted through. */
import ipaddr from "ipaddr.js";
import { invalid } from "../errors.ts";

export interface Cidr {
  readonly family: 4 | 6;
  /** The subnet's own address: bits of hosts are zero. */
  readonly bytes: readonly number[];
  readonly length: number;
}

/** @param what the flag that it was given by @throws INVALID, also if bits of hosts are set */
export function parseCidr(text: string, what: string): Cidr {
  const bad = (why: string, hint?: string) => invalid(`${what} "${text}": ${why}`, hint);
  const [, address = "", digits] = /^([^/%]+)\/(\d{1,3})$/.exec(text) ?? [];
  if (digits === undefined || !isAddress(address)) throw bad("no subnet", "ADDRESS/BITS, as in 10.92.0.0/24");
  const bytes = ipaddr.parse(address).toByteArray();
  const length = Number(digits);
  if (length > bytes.length * 8) throw bad(`an address of this family has ${bytes.length * 8} bits`);
  const cidr: Cidr = { family: bytes.length === 4 ? 4 : 6, bytes: masked(bytes, length), length };
  if (cidr.bytes.some((byte, i) => byte !== bytes[i]))
    throw bad("bits of hosts are set", `${formatCidr(cidr)} is meant?`);
  return cidr;
}

/** An IPv4 address is four decimal numbers: what inet_aton(3) takes besides is a way to be misunderstood. */
export function isAddress(text: string): boolean {
  return text.includes(":")
    ? !text.includes("%") && ipaddr.IPv6.isValid(text)
    : ipaddr.IPv4.isValidFourPartDecimal(text);
}

/** As the kernel and others write it. @throws INVALID */
export function canonicalAddress(text: string, what: string): string {
  if (!isAddress(text)) throw invalid(`${what} "${text}": no address`, "as in 10.92.0.1 or fd00::1");
  return formatAddress(ipaddr.parse(text).toByteArray());
}

/** Of an address that is one. */
export const addressBytes = (text: string): number[] => ipaddr.parse(text).toByteArray();

export function formatAddress(bytes: readonly number[]): string {
  const address = ipaddr.fromByteArray([...bytes]);
  return address.kind() === "ipv4" ? address.toString() : (address as ipaddr.IPv6).toRFC5952String();
}

export const formatCidr = ({ bytes, length }: Cidr) => `${formatAddress(bytes)}/${length}`;

export function overlap(a: Cidr, b: Cidr): boolean {
  if (a.family !== b.family) return false;
  const shorter = Math.min(a.length, b.length);
  return masked(a.bytes, shorter).every((byte, i) => byte === masked(b.bytes, shorter)[i]);
}

export function contains(cidr: Cidr, address: readonly number[]): boolean {
  return (
    address.length === cidr.bytes.length && masked(address, cidr.length).every((byte, i) => byte === cidr.bytes[i])
  );
}

/** Whether all of `inner` lies in `outer`. */
export const covers = (outer: Cidr, inner: Cidr) => inner.length >= outer.length && contains(outer, inner.bytes);

/** The address that is so many behind the subnet's own. */
export function addressAt({ bytes, length }: Cidr, offset: number): number[] {
  const result = [...bytes];
  let carry = offset;
  for (let i = result.length - 1; i >= 0 && carry > 0 && i * 8 + 8 > length; i--) {
    const sum = (result[i] ?? 0) + carry;
    result[i] = sum % 256;
    carry = Math.floor(sum / 256);
  }
  return result;
}

/** The last one of an IPv4 subnet. */
export function broadcastOf({ bytes, length }: Cidr): number[] {
  return bytes.map((byte, i) => byte | (0xff >> Math.min(8, Math.max(0, length - i * 8))));
}

/** Subnets of `length` bits one after another. */
export function* subnetsOf(pool: Cidr, length: number): Generator<Cidr> {
  const step = 2 ** (32 - length);
  for (let at = 0; at < 2 ** (32 - pool.length); at += step)
    yield { family: pool.family, bytes: addressAt(pool, at), length };
}

function masked(bytes: readonly number[], length: number): number[] {
  return bytes.map((byte, i) => byte & ~(0xff >> Math.min(8, Math.max(0, length - i * 8))) & 0xff);
}

/** A container's address in its network's IPv6 prefix: it ends with the four bytes of its IPv4 address. */
export function addressWithin(prefix: string, v4: string): string {
  const base = addressBytes(prefix.slice(0, prefix.indexOf("/")));
  return formatAddress([...base.slice(0, 8), 0, 0, 0, 0, ...addressBytes(v4)]);
}
