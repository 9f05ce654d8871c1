/** Images of what `docker save` writes: files named by manifest.json. The names of files are trusted in nothing. */
import { closeSync, readSync } from "node:fs";
import { invalid } from "../../errors.ts";
import { parseImageConfig } from "../../spec/checkimageconfig.ts";
import { type Descriptor, LARGEST_CONFIG } from "../../spec/image.ts";
import { OCI_CONFIG, OCI_LAYER, OCI_MANIFEST } from "../../spec/mediatypes.ts";
import type { Blob } from "./adopt.ts";
import { type DockerManifestItem, LARGEST_DOCKER_MANIFEST, parseDockerManifest } from "./dockermanifest.ts";
import { type ArchiveFiles, MANIFEST_FILE, openRegular, readSmallFile, type StoredFile } from "./files.ts";

/** One image: a manifest that was made for it, as such archives have none, and the blobs that it names. */
export interface DockerArchiveImage {
  readonly manifest: Uint8Array;
  readonly names: readonly string[];
  readonly blobs: readonly Blob[];
}

/** @throws INVALID for files that are not there, and for configs that have other layers */
export function readDockerArchive(files: ArchiveFiles): DockerArchiveImage[] {
  const source = `${files.what}: ${MANIFEST_FILE}`;
  return parseDockerManifest(readSmallFile(files, MANIFEST_FILE, LARGEST_DOCKER_MANIFEST), source).map((item) =>
    imageOf(files, item),
  );
}

function imageOf(files: ArchiveFiles, { config: name, names, layers }: DockerManifestItem): DockerArchiveImage {
  const { what } = files;
  const configBytes = readSmallFile(files, name, LARGEST_CONFIG);
  const { diffIds } = parseImageConfig(configBytes, `${what}: ${name}`);
  if (diffIds.length !== layers.length)
    throw invalid(`${what}: ${MANIFEST_FILE} names ${layers.length} layers, but ${name} has ${diffIds.length}`);
  const config = blobOf(must(files, name), OCI_CONFIG, what);
  const blobs = layers.map((layer) => {
    const file = must(files, layer);
    return blobOf(file, `${OCI_LAYER}${compressionOf(file)}`, what);
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: config.descriptor,
    layers: blobs.map(({ descriptor }) => descriptor),
  };
  return { manifest: new TextEncoder().encode(JSON.stringify(manifest)), names, blobs: [config, ...blobs] };
}

function must(files: ArchiveFiles, name: string): StoredFile {
  const file = files.find(name);
  if (!file) throw invalid(`${files.what}: ${MANIFEST_FILE} names "${name}", which is not there`);
  return file;
}

function blobOf(file: StoredFile, mediaType: string, what: string): Blob {
  if (file.digest === undefined) throw new Error(`${what}: ${file.path} was not hashed`);
  const descriptor: Descriptor = { mediaType, digest: file.digest, size: file.size };
  return { descriptor, file };
}

const MAGICS: readonly [suffix: string, bytes: readonly number[]][] = [
  ["+gzip", [0x1f, 0x8b]],
  ["+zstd", [0x28, 0xb5, 0x2f, 0xfd]],
];

function compressionOf({ path }: StoredFile): string {
  const head = new Uint8Array(4);
  const fd = openRegular(path);
  try {
    readSync(fd, head);
  } finally {
    closeSync(fd);
  }
  return MAGICS.find(([, magic]) => magic.every((byte, i) => head[i] === byte))?.[0] ?? "";
}
