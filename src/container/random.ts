/** Random bytes from the platform: node:crypto would cost 4 ms of every start. */
export function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16);
  return text;
}

export function randomHex(count: number): string {
  return hex(randomBytes(count));
}
