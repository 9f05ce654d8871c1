/** All that is known of an image, in docker's words; and how it came about. */
import type { Paths } from "../../container/paths.ts";
import { readBlob } from "../../image/blobs.ts";
import { findImage, type ImageRecord } from "../../image/images.ts";
import { layerTree } from "../../image/paths.ts";
import { parseImageConfig } from "../../spec/checkimageconfig.ts";
import type { HistoryEntry, ImageConfigFile } from "../../spec/image.ts";
import { defaultsDocument } from "../../spec/imagedocument.ts";
import { defined } from "../../spec/json.ts";
import type { Engine } from "../context.ts";
import { namesById } from "./names.ts";

export function inspectImage({ paths }: Engine, text: string): Record<string, unknown> {
  const image = findImage(paths, text);
  const file = configOf(paths, image);
  const names = namesById(paths).get(image.id) ?? [];
  const [upper, ...lower] = image.layers.map(({ chainId }) => layerTree(paths, chainId)).reverse();
  return defined({
    Id: `sha256:${image.id}`,
    RepoTags: names.filter((n) => n.reference.digest === undefined).map((n) => n.familiar),
    RepoDigests: names.filter((n) => n.reference.digest !== undefined).map((n) => n.familiar),
    Parent: "",
    Comment: file.history.findLast((entry) => entry.comment)?.comment ?? "",
    Created: image.created ?? "",
    Author: file.author ?? "",
    Config: defaultsDocument(image.config),
    Architecture: image.platform.architecture,
    Variant: image.platform.variant,
    Os: image.platform.os,
    OsVersion: image.platform.osVersion,
    Size: image.size,
    GraphDriver: {
      Data: defined({ LowerDir: lower.length > 0 ? lower.join(":") : undefined, UpperDir: upper }),
      Name: "overlay2",
    },
    RootFS: { Type: "layers", Layers: image.layers.map(({ diffId }) => diffId) },
    Descriptor: { mediaType: image.mediaType, digest: image.manifest, size: readBlob(paths, image.manifest).length },
  });
}

export interface HistoryStep extends HistoryEntry {
  /** Bytes that its layer has; 0 without one. */
  readonly size: number;
}

/** Newest first. */
export function imageHistory({ paths }: Engine, text: string): { image: ImageRecord; steps: HistoryStep[] } {
  const image = findImage(paths, text);
  const { history } = configOf(paths, image);
  let layer = 0;
  const steps = history.map((entry) => ({ ...entry, size: entry.emptyLayer ? 0 : (image.layers[layer++]?.size ?? 0) }));
  // Makers of images may leave the history out: then there are layers, and no more to say of them.
  const rest = image.layers.slice(layer).map(({ size }) => ({ emptyLayer: false, size }));
  return { image, steps: [...steps, ...rest].reverse() };
}

function configOf(paths: Paths, image: ImageRecord): ImageConfigFile {
  return parseImageConfig(readBlob(paths, image.configDigest), `config of image ${image.id.slice(0, 12)}`);
}
