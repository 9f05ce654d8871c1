import { closeSync, openSync, readSync } from "node:fs";

/** Random bytes straight from the kernel: node:crypto would cost 4 ms of every start, and Web Crypto one. */
export function randomBytes(count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  const device = openSync("/dev/urandom", "r");
  try {
    if (readSync(device, bytes) !== count) throw new Error("/dev/urandom gave fewer bytes than asked for");
  } finally {
    closeSync(device);
  }
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

export function randomHex(count: number): string {
  return hex(randomBytes(count));
}
