/** Images on their way into an archive, and the files that make them up there. */
import { parseManifest } from "../../spec/checkmanifest.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor, Manifest, Platform } from "../../spec/image.ts";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../spec/mediatypes.ts";
import { digestOf } from "../hash.ts";
import { familiarName, type RegistryReference } from "../registryname.ts";
import { blobName, INDEX_FILE, LAYOUT_FILE, MANIFEST_FILE } from "./files.ts";
import { NAME_ANNOTATION, REF_ANNOTATION } from "./layout.ts";

/** An image of the store, as far as an archive is concerned. */
export interface SavedImage {
  readonly names: readonly RegistryReference[];
  readonly manifest: Uint8Array;
  readonly platform: Platform;
}

/** A file of an archive: its bytes, or the blob that has them. */
export type SavedFile =
  | { readonly name: string; readonly bytes: Uint8Array }
  | { readonly name: string; readonly blob: Digest; readonly size: number };

/**
 * The files of an OCI layout, each once: blobs first, so that who reads it from front to back has them when they are named.
 * @param docker with manifest.json, by which docker and older tools load it; else manifests of docker's schema 2 become the OCI's
 */
export function layoutFiles(images: readonly SavedImage[], docker: boolean): SavedFile[] {
  const files = new Map<string, SavedFile>();
  const entries: Descriptor[] = [];
  const items: object[] = [];
  const tags = images.flatMap(({ names }) => names.map(({ tag }) => tag));
  for (const image of images) {
    const bytes = docker ? image.manifest : asOci(image.manifest);
    const manifest = manifestOf(bytes);
    for (const { digest, size } of [manifest.config, ...manifest.layers])
      files.set(digest, { name: blobName(digest), blob: digest, size });
    const digest = digestOf(bytes);
    files.set(digest, { name: blobName(digest), bytes });
    const descriptor = { mediaType: manifest.mediaType, digest, size: bytes.length };
    const { os, architecture, variant } = image.platform;
    const platform = { architecture, os, ...(variant === undefined ? {} : { variant }) };
    const names = image.names.map((name) => annotationsOf(name, tags));
    for (const annotations of names.length > 0 ? names : [undefined])
      entries.push({ ...descriptor, ...(annotations && { annotations }), platform });
    items.push({
      Config: blobName(manifest.config.digest),
      RepoTags: image.names.length > 0 ? image.names.map(familiarName) : null,
      Layers: manifest.layers.map((layer) => blobName(layer.digest)),
    });
  }
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: entries };
  return [
    ...files.values(),
    json(INDEX_FILE, index),
    ...(docker ? [json(MANIFEST_FILE, items)] : []),
    json(LAYOUT_FILE, { imageLayoutVersion: "1.0.0" }),
  ];
}

/** A tag that two images have tells nothing: then the whole name stands in its place. */
function annotationsOf(reference: RegistryReference, tags: readonly (string | undefined)[]): Record<string, string> {
  const { name, tag = "" } = reference;
  const unique = tags.filter((other) => other === tag).length === 1;
  return { [NAME_ANNOTATION]: `${name}:${tag}`, [REF_ANNOTATION]: unique ? tag : familiarName(reference) };
}

const OCI_TYPES: Readonly<Record<string, string>> = {
  [DOCKER_MANIFEST]: OCI_MANIFEST,
  [DOCKER_CONFIG]: OCI_CONFIG,
  [DOCKER_LAYER]: `${OCI_LAYER}+gzip`,
  "application/vnd.docker.image.rootfs.diff.tar": OCI_LAYER,
  "application/vnd.docker.image.rootfs.diff.tar.zstd": `${OCI_LAYER}+zstd`,
};

/** Only the types differ; the blobs stay. A manifest that is the OCI's already stays to the byte. */
function asOci(bytes: Uint8Array): Uint8Array {
  const manifest = manifestOf(bytes);
  if (manifest.mediaType !== DOCKER_MANIFEST) return bytes;
  const typed = (d: Descriptor): Descriptor => ({ ...d, mediaType: OCI_TYPES[d.mediaType] ?? d.mediaType });
  const { config, layers, annotations } = manifest;
  return encoder.encode(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: typed(config),
      layers: layers.map(typed),
      ...(annotations && { annotations }),
    }),
  );
}

function manifestOf(bytes: Uint8Array): Manifest {
  const read = parseManifest(bytes, "manifest of a stored image");
  if (read.kind !== "manifest") throw new Error("a stored image has an index as its manifest");
  return read.manifest;
}

const encoder = new TextEncoder();

function json(name: string, value: unknown): SavedFile {
  return { name, bytes: encoder.encode(JSON.stringify(value)) };
}
