/** `import`: the archive of a root file system becomes an image of one layer. */
import { createHash } from "node:crypto";
import { adoptBlob } from "../../image/archive/adopt.ts";
import { withIncoming } from "../../image/archive/incoming.ts";
import { writeHashed } from "../../image/archive/spool.ts";
import { createImage } from "../../image/build.ts";
import { compress, compressionOf, withStart } from "../../image/compression.ts";
import type { ImageRecord } from "../../image/images.ts";
import { unpackLayer } from "../../image/layer/unpack.ts";
import { takeLease } from "../../image/leases.ts";
import { layersDirectory } from "../../image/paths.ts";
import { planUnpack } from "../../plan/layer.ts";
import type { Op } from "../../plan/plan.ts";
import { applyChanges } from "../../spec/changes.ts";
import type { Descriptor, Platform } from "../../spec/image.ts";
import { OCI_LAYER } from "../../spec/mediatypes.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";

export interface ImportRequest {
  /** "-", a file or a URL: told in the image's history. */
  readonly source: string;
  /** In a Dockerfile's words. */
  readonly changes: readonly string[];
  readonly message?: string | undefined;
  readonly platform: Platform;
  /** Whole. */
  readonly name?: string | undefined;
}

/** @param from a tar archive, compressed or not @throws INVALID for changes that are wrong, and for what is no tar; nothing is stored then */
export async function importImage(
  engine: Engine,
  request: ImportRequest,
  from: AsyncIterable<Uint8Array>,
): Promise<ImageRecord> {
  const { paths, stage } = engine;
  const config = applyChanges({}, request.changes); // before anything is read
  const lease = takeLease(paths);
  try {
    return await withIncoming(paths, async (directory) => {
      // What the archive is shows when it is unpacked; only then it becomes a blob.
      const { descriptor, path } = await takeLayer(from, directory);
      const { digest, size } = descriptor;
      await lease.hold([digest]);
      const { diffId, chainId } = await unpackLayer({ paths, stage }, { blob: path, mediaType: descriptor.mediaType });
      await lease.hold([chainId]);
      await adoptBlob(paths, { descriptor, file: { path, size, digest, own: true } }, request.source);
      const created = new Date().toISOString();
      const comment = request.message ?? `Imported from ${request.source}`;
      const image = await createImage(engine, {
        layers: [{ diffId, chainId, blob: descriptor }],
        config: { ...request.platform, created, config, history: [{ created, comment, emptyLayer: false }] },
        names: request.name === undefined ? [] : [request.name],
      });
      imageEvent(engine, "import", `sha256:${image.id}`, request.name);
      return image;
    });
  } finally {
    lease.release();
  }
}

/** The plan of it; nothing is read or changed. */
export function explainImport({ paths, facts }: Engine, { source, changes }: ImportRequest): readonly Op[] {
  applyChanges({}, changes);
  return planUnpack({ layers: layersDirectory(paths), half: "NEW.half", source, arch: facts.arch }).ops;
}

/** As it came if it is compressed; else it is now, so that it can be pushed as it is. */
async function takeLayer(
  from: AsyncIterable<Uint8Array>,
  directory: string,
): Promise<{ descriptor: Descriptor; path: string }> {
  const { start, whole } = await withStart(from);
  const compression = compressionOf(start);
  const path = `${directory}/layer`;
  const hash = createHash("sha256");
  const size = await writeHashed(compression === "none" ? compress(whole, "gzip") : whole, path, hash);
  const mediaType = `${OCI_LAYER}+${compression === "none" ? "gzip" : compression}`;
  return { descriptor: { mediaType, digest: `sha256:${hash.digest("hex")}`, size }, path };
}
