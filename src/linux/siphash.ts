/** SipHash-2-4 (Aumasson, Bernstein): a short hash with a key. */

const U64 = 0xffffffffffffffffn;
const rotated = (x: bigint, by: bigint) => ((x << by) | (x >> (64n - by))) & U64;

/** @param key 16 bytes */
export function siphash24(key: Uint8Array, data: Uint8Array): bigint {
  const keys = new DataView(key.buffer, key.byteOffset, 16);
  const [k0, k1] = [keys.getBigUint64(0, true), keys.getBigUint64(8, true)];
  // "somepseudorandomlygeneratedbytes"
  let [a, b, c, d] = [
    k0 ^ 0x736f6d6570736575n,
    k1 ^ 0x646f72616e646f6dn,
    k0 ^ 0x6c7967656e657261n,
    k1 ^ 0x7465646279746573n,
  ];
  const round = () => {
    a = (a + b) & U64;
    b = rotated(b, 13n) ^ a;
    a = rotated(a, 32n);
    c = (c + d) & U64;
    d = rotated(d, 16n) ^ c;
    a = (a + d) & U64;
    d = rotated(d, 21n) ^ a;
    c = (c + b) & U64;
    b = rotated(b, 17n) ^ c;
    c = rotated(c, 32n);
  };
  const blocks = Math.floor(data.length / 8) + 1; // the last one ends with the length
  const padded = new Uint8Array(blocks * 8);
  padded.set(data);
  padded[padded.length - 1] = data.length & 0xff;
  const view = new DataView(padded.buffer);
  for (let i = 0; i < blocks; i++) {
    const word = view.getBigUint64(8 * i, true);
    d ^= word;
    round();
    round();
    a ^= word;
  }
  c ^= 0xffn;
  for (let i = 0; i < 4; i++) round();
  return a ^ b ^ c ^ d;
}
