/** A layer from its tar, compressed or not, to a directory that overlayfs can take. */
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync, statfsSync, writeFileSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { converse, type Failed } from "../../container/plans.ts";
import { randomHex } from "../../container/random.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { currentArch } from "../../linux/arch.ts";
import { errnoName } from "../../linux/errno.ts";
import { planUnpack, type TreePlan } from "../../plan/layer.ts";
import { checkDigest, type Digest } from "../../spec/digest.ts";
import type { StageBinary } from "../../stage/binary.ts";
import { RecordWriter } from "../../stage/records.ts";
import { formatClaim, ownClaim } from "../claim.ts";
import { decompress } from "../compression.ts";
import { chainIdOf } from "../hash.ts";
import { type LayerRecord, readLayer } from "../layers.ts";
import { noteUse } from "../leases.ts";
import { hexOf, layersDirectory } from "../paths.ts";
import { TarReader } from "../tar/reader.ts";
import { Below } from "./below.ts";
import { LayerContent } from "./content.ts";
import { LAYER_LIMITS, type LayerLimits } from "./limits.ts";
import { shown } from "./names.ts";

export interface LayerEngine {
  readonly paths: Paths;
  readonly stage: Pick<StageBinary, "path">;
}

export interface LayerSource {
  /** A file's path, or the bytes. */
  readonly blob: string | AsyncIterable<Uint8Array>;
  /** For messages; what it is compressed with is told by its first bytes. */
  readonly mediaType?: string | undefined;
  /** Chain ids of the layers below, lowest first: in the store, or being unpacked by this process. */
  readonly below?: readonly Digest[] | undefined;
  /** Digest of the uncompressed tar, as the image's config has it; undefined: whatever it turns out to be. */
  readonly diffId?: Digest | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the blob that have been read so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly limits?: Partial<LayerLimits> | undefined;
}

const keyOf = ({ paths }: LayerEngine, chainId: Digest) => `${paths.root} ${chainId}`;

/** Layers on their way in this process: who wants the same one waits for it. */
const underway = new Map<string, Promise<LayerRecord>>();

/**
 * Unpacks a layer to ROOT/layers/HEX, where it is found by its chain id; one that is there already is returned as it is.
 * @throws INVALID for a tar that is none, is beyond the limits, or has another digest; STEP_FAILED naming the entry that could not be written
 */
export async function unpackLayer(engine: LayerEngine, source: LayerSource): Promise<LayerRecord> {
  const { diffId, below = [] } = source;
  for (const chainId of below) checkDigest(chainId, "chain id of a layer below");
  if (diffId === undefined) return unpack(engine, source);
  checkDigest(diffId, "diff id of a layer");
  if (!diffId.startsWith("sha256:"))
    throw new VitrineError("UNSUPPORTED", `layer ${diffId}: layers are named by sha256 only`);
  const chainId = chainIdOf(below.at(-1), diffId);
  const key = keyOf(engine, chainId);
  const there = readLayer(engine.paths, chainId);
  if (there) return there;
  const same = underway.get(key);
  if (same) {
    try {
      return await same;
    } catch {
      return unpackLayer(engine, source); // it may have been given up: this one was not
    }
  }
  const mine = unpack(engine, source);
  underway.set(key, mine);
  try {
    return await mine;
  } finally {
    underway.delete(key);
  }
}

async function unpack(engine: LayerEngine, source: LayerSource): Promise<LayerRecord> {
  const { paths } = engine;
  const { below = [] } = source;
  const layers = layersDirectory(paths);
  mkdirSync(layers, { recursive: true, mode: 0o700 });
  const half = `${randomHex(16)}.${formatClaim(ownClaim())}`;
  const told = typeof source.blob === "string" ? source.blob : "-";
  const plan = planUnpack({ layers, half, source: told, arch: currentArch() });
  const limits = { ...LAYER_LIMITS, ...source.limits };
  return converse(
    engine.stage.path,
    paths,
    plan.ops,
    async (stage) => {
      const content = new LayerContent(new RecordWriter((chunk) => stage.write(chunk)), limits, roomIn(layers));
      const diffId = await fill(content, source, limits);
      if (source.diffId !== undefined && source.diffId !== diffId)
        throw invalid(
          `the layer's tar has the digest ${diffId}, but the image says ${source.diffId}`,
          "the image is damaged: pull it again",
        );
      const chainId = chainIdOf(below.at(-1), diffId);
      await content.settle(new Below(paths, below, (one) => underway.get(keyOf(engine, one))));
      const { size, opaque } = content;
      const layer = { chainId, diffId, size, ...(opaque.length > 0 && { opaque }) };
      noteUse(paths, [chainId]);
      await isThere(stage.output);
      note(`${layers}/${half}/layer.json`, layer);
      await content.finish(hexOf(chainId));
      return layer;
    },
    { signal: source.signal, tell: (failed) => tellEntry(plan, failed) },
  );
}

/** Until the stage has made the directory. A small layer has been read before. */
async function isThere(output: AsyncIterable<Uint8Array>): Promise<void> {
  const { done } = await output[Symbol.asyncIterator]().next();
  if (done) throw stageHasEnded();
}

function note(file: string, layer: LayerRecord): void {
  try {
    writeFileSync(file, JSON.stringify(layer), { mode: 0o600 });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOENT" ? stageHasEnded() : error;
  }
}

/** As a write to it would say; the stage itself tells why. */
function stageHasEnded(): Error {
  return Object.assign(new Error("the stage has ended, and taken back what it did"), { code: "EPIPE" });
}

/** Reads the whole blob; returns the digest of the tar in it. */
async function fill(content: LayerContent, source: LayerSource, limits: LayerLimits): Promise<Digest> {
  const { blob } = source;
  const bytes = typeof blob === "string" ? createReadStream(blob, { highWaterMark: 256 * 1024 }) : blob;
  const hash = createHash("sha256");
  let read = 0;
  async function* counted(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      read += chunk.length;
      source.onProgress?.(read);
      yield chunk;
    }
  }
  async function* hashed(): AsyncGenerator<Uint8Array> {
    let written = 0;
    for await (const chunk of decompress(counted())) {
      written += chunk.length;
      if (written > limits.grace + limits.ratio * read)
        throw invalid(
          `the layer is refused: ${read} bytes have become more than ${written}`,
          `no layer in use shrinks to less than a ${limits.ratio}th; is it what it says it is?`,
        );
      hash.update(chunk);
      yield chunk;
    }
  }
  const reader = new TarReader(hashed());
  try {
    for (let entry = await reader.next(); entry; entry = await reader.next()) await content.put(entry, reader);
  } finally {
    await reader.close();
  }
  return `sha256:${hash.digest("hex")}`;
}

/** Bytes that are free there. */
function roomIn(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

/** The stage has noted which entry it came to. */
function tellEntry({ work, path }: TreePlan, failed: Failed): VitrineError {
  const { report, error, instruction } = failed;
  if (instruction !== work) return error;
  const noted = report.output(path);
  const entry = Buffer.from(noted.subarray(0, noted.indexOf(0))).toString("latin1");
  const { op, number, of, errno } = failed.step;
  const message = `step ${number} of ${of}, ${op.call} ${op.object}, layer entry ${shown(entry)}: ${errnoName(errno)}`;
  return new VitrineError(error.code, message, { hint: HINTS[errno] });
}

const HINTS: Readonly<Record<number, string>> = {
  28: "make room where images are kept, or have them elsewhere with --root",
};
