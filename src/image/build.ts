/** Images of our own making: of layers that are in the store already, under a config. */
import type { Paths } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import type { Digest } from "../spec/digest.ts";
import type { Descriptor, ImageConfigFile } from "../spec/image.ts";
import { configDocument, manifestDocument } from "../spec/imagedocument.ts";
import { OCI_CONFIG } from "../spec/mediatypes.ts";
import { blobSize, writeBlob } from "./blobs.ts";
import { digestOf } from "./hash.ts";
import { commitImage, type ImageRecord } from "./images.ts";
import { readLayer } from "./layers.ts";
import { hexOf } from "./paths.ts";

export interface NewLayer {
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Its compressed blob, in the store. */
  readonly blob: Descriptor;
}

export interface NewImage {
  /** Lowest first; unpacked. */
  readonly layers: readonly NewLayer[];
  /** Without the layers, which are taken from above. */
  readonly config: Omit<ImageConfigFile, "diffIds">;
  /** Whole ones; taken from other images. */
  readonly names: readonly string[];
  /** Of the manifest. */
  readonly annotations?: Readonly<Record<string, string>>;
}

/** Writes config and manifest, and makes the image visible. @throws NOT_FOUND if a layer or its blob is not in the store */
export function createImage({ paths }: { readonly paths: Paths }, image: NewImage): ImageRecord {
  const layers = image.layers.map(({ blob, diffId, chainId }) => {
    const layer = readLayer(paths, chainId);
    if (!layer) throw new VitrineError("NOT_FOUND", `layer ${chainId} is not in the store`);
    if (blobSize(paths, blob.digest) !== blob.size)
      throw new VitrineError("NOT_FOUND", `blob ${blob.digest} of ${blob.size} bytes is not in the store`);
    return { digest: blob.digest, diffId, chainId, size: layer.size };
  });
  const file = { ...image.config, diffIds: layers.map((layer) => layer.diffId) };
  const bytes = new TextEncoder().encode(configDocument(file));
  const configDigest = writeBlob(paths, bytes);
  const descriptor = { mediaType: OCI_CONFIG, digest: configDigest, size: bytes.length };
  const text = manifestDocument(
    descriptor,
    image.layers.map((layer) => layer.blob),
    image.annotations,
  );
  const manifest = new TextEncoder().encode(text);
  const record = imageRecord(file, {
    id: hexOf(digestOf(bytes)),
    configDigest,
    manifest: writeBlob(paths, manifest),
    mediaType: JSON.parse(text).mediaType,
    layers,
  });
  commitImage(paths, record, image.names);
  return record;
}

/** What image.json holds. */
export function imageRecord(
  file: ImageConfigFile,
  more: Pick<ImageRecord, "id" | "configDigest" | "manifest" | "mediaType" | "layers">,
): ImageRecord {
  const { os, architecture, variant, osVersion, created, config } = file;
  return {
    ...more,
    platform: {
      os,
      architecture,
      ...(variant === undefined ? {} : { variant }),
      ...(osVersion === undefined ? {} : { osVersion }),
    },
    ...(created === undefined ? {} : { created }),
    size: more.layers.reduce((sum, layer) => sum + layer.size, 0),
    config,
  };
}
