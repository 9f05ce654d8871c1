/** One header block of a tar: v7, ustar and GNU, which are told apart by their magic. See POSIX pax(1), and GNU tar's manual, "Standard". */
import type { Buffer } from "node:buffer";

export const BLOCK = 512;

export type Format = "v7" | "ustar" | "gnu";

export interface Header {
  readonly format: Format;
  /** The character that says what it is; "0" where it is NUL. */
  readonly flag: string;
  /** Bytes as they are (latin1). */
  readonly name: string;
  readonly link: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly seconds: number;
  readonly major: number;
  readonly minor: number;
}

/** @throws string: what is wrong with it */
export function parseHeader(block: Buffer): Header {
  const sum = checksum(block);
  if (!sum.includes(number(block, 148, 8, "checksum"))) throw "the checksum of the header is wrong";
  const magic = text(block, 257, 8, true);
  const format = magic.startsWith("ustar\0") ? "ustar" : magic === "ustar  \0" ? "gnu" : "v7";
  const flag = block[156] === 0 ? "0" : String.fromCharCode(block[156] ?? 0);
  const prefix = format === "ustar" ? text(block, 345, 155) : "";
  const name = text(block, 0, 100);
  const isDevice = flag === "3" || flag === "4";
  return {
    format,
    flag: (format === "v7" || block[156] === 0) && flag === "0" && name.endsWith("/") ? "5" : flag,
    name: prefix === "" ? name : `${prefix}/${name}`,
    link: text(block, 157, 100),
    mode: number(block, 100, 8, "mode"),
    uid: number(block, 108, 8, "user id"),
    gid: number(block, 116, 8, "group id"),
    size: number(block, 124, 12, "size"),
    seconds: number(block, 136, 12, "time"),
    major: isDevice ? number(block, 329, 8, "device number") : 0,
    minor: isDevice ? number(block, 337, 8, "device number") : 0,
  };
}

export function isZero(block: Buffer): boolean {
  for (let i = 0; i < block.length; i++) if (block[i] !== 0) return false;
  return true;
}

/** As bytes are numbers without sign, and as some old programs added them up. */
export function checksum(block: Buffer): [number, number] {
  let unsigned = 8 * 32;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i >= 148 && i < 156) continue;
    const byte = block[i] as number;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return [unsigned, unsigned - 256 * high];
}

/** Up to the first NUL, if there is one. */
export function text(block: Buffer, at: number, length: number, whole = false): string {
  const nul = whole ? -1 : block.indexOf(0, at);
  return block.toString("latin1", at, nul < 0 || nul > at + length ? at + length : nul);
}

/** Octal digits between spaces and NULs; or, if the first bit is set, base 256: big endian, two's complement. */
export function number(block: Buffer, at: number, length: number, what: string): number {
  const first = block[at] as number;
  if (first & 0x80) return base256(block, at, length, what);
  let i = at;
  const end = at + length;
  while (i < end && block[i] === 32) i++;
  let value = 0;
  for (; i < end; i++) {
    const digit = (block[i] as number) - 48;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; i < end; i++) if (block[i] !== 32 && block[i] !== 0) throw `the ${what} is no octal number`;
  return value;
}

function base256(block: Buffer, at: number, length: number, what: string): number {
  const negative = ((block[at] as number) & 0x40) !== 0;
  let value = BigInt((block[at] as number) & 0x3f) - (negative ? 0x40n : 0n);
  for (let i = at + 1; i < at + length; i++) value = value * 256n + BigInt(block[i] as number);
  if (value > BigInt(Number.MAX_SAFE_INTEGER) || value < -BigInt(Number.MAX_SAFE_INTEGER))
    throw `the ${what} is too large`;
  return Number(value);
}
