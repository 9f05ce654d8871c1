/** From blobs in the store to an image: config looked at, layers unpacked; the caller makes it visible. */
import type { Paths } from "../../container/paths.ts";
import { invalid } from "../../errors.ts";
import { parseImageConfig } from "../../spec/checkimageconfig.ts";
import { checkImageManifest } from "../../spec/checkmanifest.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Manifest } from "../../spec/image.ts";
import type { StageBinary } from "../../stage/binary.ts";
import { blobFile, readBlob } from "../blobs.ts";
import { imageRecord } from "../build.ts";
import { chainIdsOf, digestOf } from "../hash.ts";
import type { ImageRecord } from "../images.ts";
import { forLayers } from "../layer/several.ts";
import { unpackLayer } from "../layer/unpack.ts";
import type { Lease } from "../leases.ts";
import { hexOf } from "../paths.ts";

export interface Workshop {
  readonly paths: Paths;
  readonly stage: StageBinary;
}

/**
 * @param manifest whose blobs are in the store, held by `lease`
 * @param source as errors call it
 * @throws INVALID if config and layers are not of one image, or a layer is not what the config says
 */
export async function unpackImage(
  { paths, stage }: Workshop,
  manifest: Manifest,
  digest: Digest,
  lease: Lease,
  source: string,
  signal?: AbortSignal,
): Promise<ImageRecord> {
  checkImageManifest(manifest, source);
  const bytes = readBlob(paths, manifest.config.digest);
  const file = parseImageConfig(bytes, `${source}: config`);
  if (file.diffIds.length !== manifest.layers.length)
    throw invalid(`${source}: the manifest has ${manifest.layers.length} layers, the config ${file.diffIds.length}`);
  const chain = chainIdsOf(file.diffIds);
  await lease.hold(chain);
  const layers = await forLayers(
    manifest.layers,
    ({ digest, mediaType }, i, gate, signal) =>
      gate.pass(async () => {
        const input = { blob: blobFile(paths, digest), mediaType, below: chain.slice(0, i), diffId: file.diffIds[i] };
        const { diffId, chainId, size } = await unpackLayer({ paths, stage }, { ...input, signal });
        return { digest, diffId, chainId, size };
      }),
    signal,
  );
  const id = hexOf(digestOf(bytes));
  const more = { id, configDigest: manifest.config.digest, manifest: digest, mediaType: manifest.mediaType, layers };
  return imageRecord(file, more);
}
