/** Images that tests make themselves: layers by tar, config and manifest by hand. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { ask, pushBlob, putManifest, type Registry } from "../registry.ts";

export const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const INDEX = "application/vnd.oci.image.index.v1+json";
export const CONFIG = "application/vnd.oci.image.config.v1+json";
export const LAYER = "application/vnd.oci.image.layer.v1.tar";

export interface Blob {
  readonly mediaType: string;
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface MadeLayer extends Blob {
  readonly diffId: string;
}

export interface MadeImage {
  readonly manifest: Blob;
  readonly config: Blob;
  readonly layers: readonly MadeLayer[];
}

export const sha256 = (bytes: string | Uint8Array) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

export function blob(mediaType: string, content: string | Buffer | object): Blob {
  const bytes = Buffer.isBuffer(content)
    ? content
    : Buffer.from(typeof content === "string" ? content : JSON.stringify(content));
  return { mediaType, digest: sha256(bytes), bytes };
}

export const descriptor = ({ mediaType, digest, bytes }: Blob) => ({ mediaType, digest, size: bytes.length });

/** @param directory its content, owned by root */
export function layerOf(directory: string): MadeLayer {
  const flags = ["--sort=name", "--mtime=@1000000000", "--owner=0", "--group=0", "--numeric-owner"];
  const child = spawnSync("tar", [...flags, "-C", directory, "-cf", "-", "."], { maxBuffer: 2 ** 30 });
  if (child.status !== 0) throw new Error(`tar of ${directory}: ${child.stderr}`);
  return layerOfTar(child.stdout);
}

export function layerOfTar(tar: Buffer): MadeLayer {
  return { ...blob(`${LAYER}+gzip`, gzipSync(tar, { level: 1 })), diffId: sha256(tar) };
}

/** @param config what stands under "config" of the config @param more other parts of it, instead of the usual */
export function imageOf(layers: readonly MadeLayer[], config: object = {}, more: object = {}): MadeImage {
  const file = {
    created: "2024-01-31T12:00:00Z",
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config,
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
    history: layers.map((_, i) => ({ created: "2024-01-31T12:00:00Z", created_by: `layer ${i}` })),
    ...more,
  };
  const made = blob(CONFIG, file);
  return { manifest: manifestOf(made, layers), config: made, layers };
}

export function manifestOf(config: Blob, layers: readonly Blob[], more: object = {}): Blob {
  const document = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: descriptor(config),
    layers: layers.map(descriptor),
  };
  return blob(MANIFEST, { ...document, ...more });
}

export async function push(to: Registry, repository: string, tag: string, image: MadeImage): Promise<void> {
  for (const { bytes, digest } of [image.config, ...image.layers]) {
    const { status } = await ask(to, "HEAD", `/v2/${repository}/blobs/${digest}`);
    if (status !== 200) await pushBlob(to, repository, bytes);
  }
  const { status, text } = await putManifest(
    to,
    repository,
    tag,
    image.manifest.bytes.toString(),
    image.manifest.mediaType,
  );
  if (status !== 201) throw new Error(`PUT of ${repository}:${tag}: ${status} ${text}`);
}
