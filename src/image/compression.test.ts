import { describe, expect, test } from "bun:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { compress, compressionOf, decompress } from "./compression.ts";

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function whole(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

test.each(["gzip", "zstd", "none"] as const)("%s and back, however it comes", async (compression) => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), fc.integer({ min: 1, max: 2000 }), async (bytes, size) => {
      fc.pre(compression !== "none" || compressionOf(bytes) === "none");
      const packed = await whole(compress(pieces(bytes, size), compression));
      if (bytes.length > 0) expect(compressionOf(packed)).toBe(compression);
      expect(await whole(decompress(pieces(packed, size)))).toEqual(Buffer.from(bytes));
    }),
    { numRuns: 50 },
  );
});

test("several streams one behind the other are one", async () => {
  const [a, b] = [Buffer.alloc(100_000, 1), Buffer.alloc(100_000, 2)];
  for (const pack of [gzipSync, zstdCompressSync]) {
    const both = Buffer.concat([pack(a), pack(b)]);
    expect(await whole(decompress(pieces(both, 777)))).toEqual(Buffer.concat([a, b]));
  }
});

describe("refused", () => {
  const packed = gzipSync(Buffer.from("x".repeat(1000) + Math.random()));
  const damaged = Buffer.from(packed);
  damaged.fill(0xff, 12, 20);
  test.each([
    ["a gzip that is cut off", packed.subarray(0, packed.length - 5), /no whole gzip stream/],
    ["a damaged one", damaged, /no whole gzip stream/],
    ["xz", Buffer.from("fd377a585a00", "hex"), /compressed with xz/],
    ["bzip2", Buffer.from("425a6839", "hex"), /compressed with bzip2/],
  ])("%s", async (_, bytes, message) => {
    await expect(whole(decompress(pieces(bytes, 100)))).rejects.toThrow(message);
  });

  test("an error of the source comes through", async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield packed.subarray(0, 10);
      throw new Error("the line is dead");
    }
    await expect(whole(decompress(broken()))).rejects.toThrow("the line is dead");
  });
});
