/** A tar archive of images, compressed or not, from a file or as it comes. */
import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import { invalid, VitrineError } from "../../errors.ts";
import { decompress } from "../compression.ts";
import { LAYER_LIMITS } from "../layer/limits.ts";
import { type EntryType, TarReader } from "../tar/reader.ts";
import type { ArchiveFiles } from "./files.ts";
import { type SpoolEntry, spool } from "./spool.ts";

/**
 * @param from a path, or bytes
 * @param what as errors call it
 * @param directory of the engine's own, empty
 * @throws INVALID with the archive's name for everything that is wrong with it
 */
export async function spoolTar(
  from: string | AsyncIterable<Uint8Array>,
  what: string,
  directory: string,
): Promise<ArchiveFiles> {
  const bytes = typeof from === "string" ? createReadStream(from, { highWaterMark: 2 ** 20 }) : from;
  const reader = new TarReader(decompressed(bytes, what));
  try {
    return await spool(entriesOf(reader, what), what, directory);
  } catch (error) {
    if (!(error instanceof VitrineError) || error.message.startsWith(what)) throw error;
    throw invalid(`${what}: ${error.message}`, error.hint);
  } finally {
    await reader.close();
  }
}

/** @throws INVALID for what grows out of all proportion: it was made to fill the disk */
async function* decompressed(bytes: AsyncIterable<Uint8Array>, what: string): AsyncGenerator<Uint8Array> {
  const { ratio, grace } = LAYER_LIMITS;
  let read = 0;
  let written = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      read += chunk.length;
      yield chunk;
    }
  }
  for await (const chunk of decompress(counted())) {
    written += chunk.length;
    if (written > grace + ratio * read)
      throw invalid(`${what}: is refused: ${read} bytes have become more than ${written}`);
    yield chunk;
  }
}

const TYPES: Partial<Record<EntryType, SpoolEntry["type"]>> = {
  file: "file",
  directory: "directory",
  symlink: "symlink",
  link: "hardlink",
};

async function* entriesOf(reader: TarReader, what: string): AsyncGenerator<SpoolEntry> {
  for (;;) {
    const entry = await reader.next();
    if (!entry) return;
    const name = utf8(entry.path);
    if (entry.segments) throw invalid(`${what}: "${name}" is a sparse file, which archives of images do not have`);
    yield { name, type: TYPES[entry.type] ?? "other", link: utf8(entry.link), content: contentOf(reader) };
  }
}

async function* contentOf(reader: TarReader): AsyncGenerator<Uint8Array> {
  for (let piece = await reader.read(); piece; piece = await reader.read()) yield piece;
}

/** The reader keeps bytes as they are. */
function utf8(latin1: string): string {
  return Buffer.from(latin1, "latin1").toString("utf8");
}
