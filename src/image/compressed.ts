/** Layers that came plain, as older archives have them, are compressed before they go to a registry: once, and then kept so. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { parseManifest } from "../spec/checkmanifest.ts";
import type { Descriptor } from "../spec/image.ts";
import { DOCKER_LAYER, OCI_LAYER } from "../spec/mediatypes.ts";
import { adoptBlob } from "./archive/adopt.ts";
import { withIncoming } from "./archive/incoming.ts";
import { writeHashed } from "./archive/spool.ts";
import { blobFile, readBlob, writeBlob } from "./blobs.ts";
import { compress } from "./compression.ts";
import { commitImage, type ImageRecord } from "./images.ts";
import type { Lease } from "./leases.ts";

const COMPRESSED: Readonly<Record<string, string>> = {
  [OCI_LAYER]: `${OCI_LAYER}+gzip`,
  "application/vnd.docker.image.rootfs.diff.tar": DOCKER_LAYER,
};

/** The same image under a manifest whose layers are compressed; the image itself if they are. @param lease holds what is new */
export async function withCompressedLayers(paths: Paths, image: ImageRecord, lease: Lease): Promise<ImageRecord> {
  const read = parseManifest(readBlob(paths, image.manifest), `manifest of ${image.id}`);
  if (read.kind !== "manifest") throw new Error(`${image.manifest} is an index`);
  const { layers: before, ...manifest } = read.manifest;
  if (!before.some(({ mediaType }) => mediaType in COMPRESSED)) return image;
  const layers: Descriptor[] = [];
  for (const layer of before) layers.push(await compressed(paths, layer, lease));
  const bytes = new TextEncoder().encode(JSON.stringify({ schemaVersion: 2, ...manifest, layers }));
  const changed: ImageRecord = {
    ...image,
    manifest: writeBlob(paths, bytes),
    layers: image.layers.map((layer, i) => ({ ...layer, digest: layers[i]?.digest ?? layer.digest })),
  };
  await lease.hold([changed.manifest]);
  commitImage(paths, changed, []);
  return changed;
}

async function compressed(paths: Paths, layer: Descriptor, lease: Lease): Promise<Descriptor> {
  const mediaType = COMPRESSED[layer.mediaType];
  if (mediaType === undefined) return layer;
  return withIncoming(paths, async (directory) => {
    const path = `${directory}/layer`;
    const hash = createHash("sha256");
    const plain = createReadStream(blobFile(paths, layer.digest), { highWaterMark: 2 ** 20 });
    const size = await writeHashed(compress(plain, "gzip"), path, hash);
    const descriptor: Descriptor = { ...layer, mediaType, digest: `sha256:${hash.digest("hex")}`, size };
    await lease.hold([descriptor.digest]);
    await adoptBlob(paths, { descriptor, file: { path, size, digest: descriptor.digest, own: true } }, layer.digest);
    return descriptor;
  });
}
