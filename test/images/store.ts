/** Images that are put into the store of a test by hand: their layers are directories that a test has made. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { writeBlob } from "../../src/image/blobs.ts";
import { createImage } from "../../src/image/build.ts";
import { chainIdOf, digestOf } from "../../src/image/hash.ts";
import type { ImageRecord } from "../../src/image/images.ts";
import { takeLease } from "../../src/image/leases.ts";
import { layerDirectory } from "../../src/image/paths.ts";
import type { Digest } from "../../src/spec/digest.ts";
import type { ContainerDefaults } from "../../src/spec/image.ts";
import { OCI_LAYER } from "../../src/spec/mediatypes.ts";
import { ROOT, STATE } from "../vitrine.ts";

export const PATHS = { root: ROOT, state: STATE };

/** @param layers directories, lowest first; they are moved into the store @param name whole */
export function putImage(layers: readonly string[], name: string, config: ContainerDefaults = {}): ImageRecord {
  const lease = takeLease(PATHS); // blobs that this process writes are leased, and it goes on after that
  try {
    return put(layers, name, config);
  } finally {
    lease.release();
  }
}

function put(layers: readonly string[], name: string, config: ContainerDefaults): ImageRecord {
  let parent: Digest | undefined;
  const made = layers.map((directory) => {
    const bytes = new TextEncoder().encode(`layer made of ${directory}`);
    const diffId = digestOf(bytes);
    parent = chainIdOf(parent, diffId);
    const target = layerDirectory(PATHS, parent);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    renameSync(directory, `${target}/diff`);
    writeFileSync(`${target}/layer.json`, JSON.stringify({ chainId: parent, diffId, size: 1000 }));
    const blob = { mediaType: OCI_LAYER, digest: writeBlob(PATHS, bytes), size: bytes.length };
    return { diffId, chainId: parent, blob };
  });
  const file = { os: "linux", architecture: process.arch === "arm64" ? "arm64" : "amd64", config, history: [] };
  return createImage({ paths: PATHS }, { layers: made, config: file, names: [name] });
}
