/** Extended headers: records `LENGTH KEY=VALUE\n`. See POSIX pax(1), "pax Extended Header". Bytes are kept as they are. */
import { Buffer } from "node:buffer";

/** A larger one is refused: it is held in memory. As Go's archive/tar has it. */
export const LARGEST_EXTENDED = 2 ** 20;

/** Records in order; keys may come more than once (GNU.sparse.offset). Values are latin1. @throws string: what is wrong with it */
export function parsePax(bytes: Buffer): [key: string, value: string][] {
  const records: [string, string][] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(32, at);
    const digits = space < 0 || space > at + 10 ? "" : bytes.toString("latin1", at, space);
    const length = /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(61, space);
    if (
      length === 0 ||
      end > bytes.length ||
      bytes[end - 1] !== 10 ||
      equals < 0 ||
      equals >= end ||
      equals === space + 1
    )
      throw "a record of the extended header makes no sense";
    const key = bytes.toString("latin1", space + 1, equals);
    const value = bytes.toString("latin1", equals + 1, end - 1);
    // An attribute's value is binary; a name with a NUL would be one name to us and another one to the kernel.
    if (key.includes("\0") || (value.includes("\0") && !isBinary(key)))
      throw `a NUL in ${printable(key)} of the extended header`;
    records.push([key, value]);
    at = end;
  }
  return records;
}

export const XATTR = "SCHILY.xattr.";

function isBinary(key: string): boolean {
  return key.startsWith(XATTR) || key.startsWith("LIBARCHIVE.xattr.");
}

function printable(key: string): string {
  return key.replace(/[^\x20-\x7e]/g, "?");
}

/** Seconds since 1970 and nanoseconds from a decimal number. */
export function parseTime(value: string): { seconds: number; nanoseconds: number } | undefined {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (!match) return undefined;
  const whole = Number(match[2]);
  const part = Number((match[3] ?? "").slice(0, 9).padEnd(9, "0"));
  if (match[1] === "") return { seconds: whole, nanoseconds: part };
  return part === 0 ? { seconds: -whole, nanoseconds: 0 } : { seconds: -whole - 1, nanoseconds: 1e9 - part };
}

/** @param records keys and values, latin1 */
export function formatPax(records: Iterable<readonly [key: string, value: string]>): Buffer {
  const parts: Buffer[] = [];
  for (const [key, value] of records) {
    const rest = key.length + value.length + 3; // space, equals sign, newline
    let length = rest + String(rest).length;
    if (String(length).length > String(rest).length) length = rest + String(length).length;
    parts.push(Buffer.from(`${length} ${key}=${value}\n`, "latin1"));
  }
  return Buffer.concat(parts);
}
