/** How much the image store holds. */
import { readdirSync, statSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { listLayers, readLayer } from "../../image/layers.ts";
import { blobsDirectory } from "../../image/paths.ts";

/** Bytes of layers and blobs. */
export function storeSize(paths: Paths): number {
  const layers = listLayers(paths).reduce((sum, chainId) => sum + (readLayer(paths, chainId)?.size ?? 0), 0);
  return layers + blobsSize(paths);
}

/** Bytes of blobs, also of those that are half there. */
export function blobsSize(paths: Paths): number {
  return ["sha256", "sha512", "partial"].reduce(
    (sum, part) => sum + directorySize(`${blobsDirectory(paths)}/${part}`),
    0,
  );
}

/** Of the files right in it. */
function directorySize(directory: string): number {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch {
    return 0;
  }
  return names.reduce((sum, name) => sum + (statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.size ?? 0), 0);
}
