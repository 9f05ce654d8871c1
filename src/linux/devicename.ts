/** Names of network devices that are made of other names, and may be too long for one. */
import { siphash24 } from "./siphash.ts";

/** Bytes of a device's name. */
const LONGEST = 15;
const KEPT = 11;
/** Nspawn's: the same name is shortened to the same. */
const KEY = Buffer.from("e190a404a8ef4b518cccc33a9f11fca2", "hex");
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** A name that is too long ends with four digits of a hash. */
export function shortened(name: string): string {
  const bytes = new TextEncoder().encode(name);
  if (bytes.length <= LONGEST) return name;
  const hash = Number(siphash24(KEY, bytes) & 0xffffffn);
  return name.slice(0, KEPT) + [18, 12, 6, 0].map((by) => DIGITS[(hash >> by) & 63]).join("");
}
