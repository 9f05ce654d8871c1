/** Images of an archive or a directory, whichever form it has. */
import { invalid } from "../../errors.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor, Manifest, Platform } from "../../spec/image.ts";
import { digestOf } from "../hash.ts";
import { parseRegistryName, wholeName } from "../registryname.ts";
import type { Blob } from "./adopt.ts";
import { readDockerArchive } from "./dockerarchive.ts";
import { type ArchiveFiles, blobName, MANIFEST_FILE } from "./files.ts";
import { isLayout, type LayoutImage, readLayout } from "./layout.ts";

export interface ArchiveImage {
  /** As they are written there: "bookworm", "debian:bookworm". */
  readonly written: readonly string[];
  /** Those of them that name a repository, whole. */
  readonly names: readonly string[];
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
  readonly digest: Digest;
  /** The config, and the layers, lowest first. */
  readonly blobs: readonly Blob[];
}

/** @throws INVALID if it is neither of docker's form nor a layout, or what it names is not there */
export function readArchive(files: ArchiveFiles, platform: Platform): ArchiveImage[] {
  if (isLayout(files)) return readLayout(files, platform).map((image) => ofLayout(files, image));
  if (files.find(MANIFEST_FILE))
    return readDockerArchive(files).map(({ manifest, names, blobs }) => imageOf(files, manifest, names, blobs));
  throw invalid(
    `${files.what}: holds no images: neither docker's manifest.json nor an OCI layout is in it`,
    "vitrine import makes an image of a root file system's archive",
  );
}

function ofLayout(files: ArchiveFiles, { descriptor, bytes, names }: LayoutImage): ArchiveImage {
  const read = parseManifest(bytes, `${files.what}: ${descriptor.digest}`, descriptor.mediaType);
  if (read.kind !== "manifest") throw new Error(`${descriptor.digest} is an index`);
  const blobs = [read.manifest.config, ...read.manifest.layers].map((d) => blobIn(files, d));
  return imageOf(files, bytes, names, blobs);
}

function blobIn(files: ArchiveFiles, descriptor: Descriptor): Blob {
  const file = files.find(blobName(descriptor.digest));
  if (!file) throw invalid(`${files.what}: ${descriptor.digest} is named, but not there`);
  return { descriptor, file };
}

function imageOf(
  { what }: ArchiveFiles,
  bytes: Uint8Array,
  written: readonly string[],
  blobs: readonly Blob[],
): ArchiveImage {
  const read = parseManifest(bytes, what);
  if (read.kind !== "manifest") throw invalid(`${what}: an index stands where a manifest should`);
  const names = written.flatMap((text) => wholeNameOf(text, what));
  return { written, names, bytes, manifest: read.manifest, digest: digestOf(bytes), blobs };
}

/** A layout may have tags alone, which name nothing outside of it. @throws INVALID for what is no name */
function wholeNameOf(text: string, what: string): string[] {
  if (!/[/:]/.test(text)) return [];
  try {
    const reference = parseRegistryName(text);
    if (reference.digest !== undefined || reference.tag === undefined) return [];
    return [wholeName(reference)];
  } catch (error) {
    throw invalid(`${what}: ${(error as Error).message}`);
  }
}

/**
 * The one image that a user means by `oci:DIR:REFERENCE`.
 * @throws NOT_FOUND or INVALID, with those that are there
 */
export function chooseImage(
  images: readonly ArchiveImage[],
  reference: string | undefined,
  what: string,
): ArchiveImage {
  const fits = (image: ArchiveImage) =>
    reference === undefined || image.digest === reference || image.written.some((name) => sameName(name, reference));
  const [image, ...others] = images.filter(fits);
  if (image && others.length === 0) return image;
  const there = images.map(({ written: [name], digest }) => name ?? digest).join(", ");
  const which = reference === undefined ? "" : ` "${reference}"`;
  throw invalid(
    `${what}: has ${image ? "several images" : "no image"}${which}`,
    `choose one of them behind a colon: ${there}`,
  );
}

function sameName(written: string, asked: string): boolean {
  if (written === asked) return true;
  try {
    const reference = parseRegistryName(written);
    return (
      /[/:]/.test(written) && (reference.tag === asked || wholeName(reference) === wholeName(parseRegistryName(asked)))
    );
  } catch {
    return false;
  }
}
