/** Compressed streams, in both directions: gzip, zstd, or none. What comes in is told by its first bytes, not by what it is called. */
import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { constants, createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { invalid } from "../errors.ts";

export type Compression = "gzip" | "zstd" | "none";

/** In small pieces most of the time would go into handing them over. */
const CHUNK = 256 * 1024;
/** Of zstd: its window is memory. `zstd --long` needs more than this, and then a flag to read it. */
const LARGEST_WINDOW_LOG = 27;

/** By magic numbers: RFC 1952, RFC 8878 (a frame, or one that is to be skipped). */
export function compressionOf(start: Uint8Array): Compression | "bzip2" | "xz" {
  const [a, b, c, d] = start;
  if (a === 0x1f && b === 0x8b) return "gzip";
  if (a === 0x28 && b === 0xb5 && c === 0x2f && d === 0xfd) return "zstd";
  if (a !== undefined && (a & 0xf0) === 0x50 && b === 0x2a && c === 0x4d && d === 0x18) return "zstd";
  if (a === 0x42 && b === 0x5a && c === 0x68) return "bzip2";
  if (a === 0xfd && b === 0x37 && c === 0x7a && d === 0x58) return "xz";
  return "none";
}

/** @throws INVALID while it is read: what is no whole gzip or zstd stream, or is compressed otherwise */
export async function* decompress(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { start, whole } = await withStart(source);
  const compression = compressionOf(start);
  if (compression === "bzip2" || compression === "xz")
    throw invalid(`compressed with ${compression}: layers are compressed with gzip or zstd, or not at all`);
  if (compression === "none") return yield* whole;
  const stream =
    compression === "gzip"
      ? createGunzip({ chunkSize: CHUNK })
      : createZstdDecompress({ chunkSize: CHUNK, params: { [constants.ZSTD_d_windowLogMax]: LARGEST_WINDOW_LOG } });
  const from = Readable.from(whole, { objectMode: true, highWaterMark: 2 });
  from.on("error", (error) => stream.destroy(error));
  from.pipe(stream);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code?.startsWith("Z_") || code?.startsWith("ZSTD_"))
      throw invalid(`no whole ${compression} stream: ${(error as Error).message}`);
    throw error;
  } finally {
    stream.destroy();
    from.destroy();
  }
}

/** @param level 1 (fast) to 9 (gzip) or 19 (zstd) */
export async function* compress(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  level?: number,
): AsyncGenerator<Uint8Array> {
  if (compression === "none") return yield* source;
  const stream =
    compression === "gzip"
      ? createGzip({ chunkSize: CHUNK, level: level ?? 6 })
      : createZstdCompress({ chunkSize: CHUNK, params: { [constants.ZSTD_c_compressionLevel]: level ?? 3 } });
  const from = Readable.from(source, { objectMode: true, highWaterMark: 2 });
  from.on("error", (error) => stream.destroy(error));
  from.pipe(stream);
  try {
    yield* stream as AsyncIterable<Uint8Array>;
  } finally {
    stream.destroy();
    from.destroy();
  }
}

/** The first bytes, and the same stream from its start. */
export async function withStart(
  source: AsyncIterable<Uint8Array>,
): Promise<{ start: Uint8Array; whole: AsyncGenerator<Uint8Array> }> {
  const from = source[Symbol.asyncIterator]();
  let start: Uint8Array = new Uint8Array(0);
  while (start.length < 4) {
    const { value, done } = await from.next();
    if (done) break;
    start = start.length === 0 ? value : Buffer.concat([start, value]);
  }
  const first = start;
  async function* whole(): AsyncGenerator<Uint8Array> {
    try {
      if (first.length > 0) yield first;
      for (let next = await from.next(); !next.done; next = await from.next()) yield next.value;
    } finally {
      await from.return?.();
    }
  }
  return { start, whole: whole() };
}
