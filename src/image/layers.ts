/** Unpacked layers: ROOT/layers/HEX, by chain id. The stage writes them; they are there when they are whole. */
import { readdirSync, readFileSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import type { Digest } from "../spec/digest.ts";
import { layerDirectory, layersDirectory } from "./paths.ts";

export interface LayerRecord {
  readonly chainId: Digest;
  readonly diffId: Digest;
  /** Bytes of its files. */
  readonly size: number;
  /** Its directories that hide what is below them. */
  readonly opaque?: readonly string[];
}

/** Undefined if it is not unpacked. */
export function readLayer(paths: Paths, chainId: Digest): LayerRecord | undefined {
  try {
    return JSON.parse(readFileSync(`${layerDirectory(paths, chainId)}/layer.json`, "utf8"));
  } catch {
    return undefined;
  }
}

/** Chain ids of all, by what their directories are called. */
export function listLayers(paths: Paths): Digest[] {
  try {
    return readdirSync(layersDirectory(paths))
      .filter((name) => /^[0-9a-f]{64}$/.test(name))
      .map((hex): Digest => `sha256:${hex}`);
  } catch {
    return [];
  }
}
