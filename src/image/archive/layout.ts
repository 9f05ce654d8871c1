/** Images of an OCI layout (image-layout.md), in a directory or an archive. */
import { invalid, VitrineError } from "../../errors.ts";
import { parseManifest } from "../../spec/checkmanifest.ts";
import { parseForeignJson } from "../../spec/depth.ts";
import type { Descriptor, Index, Platform } from "../../spec/image.ts";
import { LARGEST_MANIFEST } from "../../spec/image.ts";
import { Fields, word } from "../../spec/json.ts";
import { INDEX_TYPES, MANIFEST_TYPES } from "../../spec/mediatypes.ts";
import { choosePlatform } from "../../spec/platform.ts";
import { digestOf } from "../hash.ts";
import { type ArchiveFiles, blobName, INDEX_FILE, LAYOUT_FILE, readSmallFile } from "./files.ts";

/** One image: its manifest, and the names it has there. */
export interface LayoutImage {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
  /** Whole names, or tags alone, as they are written there. */
  readonly names: readonly string[];
}

/** What containerd and docker call an image by; the specification's own is a tag, or with podman a whole name. */
export const NAME_ANNOTATION = "io.containerd.image.name";
export const REF_ANNOTATION = "org.opencontainers.image.ref.name";

/** Indexes of indexes are allowed; a loop of them cannot be made by digest, but a very long row can. */
const DEEPEST_INDEX = 4;

export function isLayout(files: ArchiveFiles): boolean {
  return files.find(LAYOUT_FILE) !== undefined && files.find(INDEX_FILE) !== undefined;
}

/**
 * Every image of the layout that is for a platform and whose manifest is there, each once.
 * @throws INVALID, NOT_FOUND if none is there
 */
export function readLayout(files: ArchiveFiles, platform: Platform): LayoutImage[] {
  const { what } = files;
  const version = new Fields(
    parseForeignJson(readSmallFile(files, LAYOUT_FILE, 4096), `${what}: ${LAYOUT_FILE}`, 4096),
    `${what}: ${LAYOUT_FILE}: $`,
  );
  const text = version.must("imageLayoutVersion", word);
  if (!/^1\./.test(text))
    throw new VitrineError("UNSUPPORTED", `${what}: an OCI layout of version ${text}; 1 is known`);
  const outer = parseManifest(readSmallFile(files, INDEX_FILE, LARGEST_MANIFEST), `${what}: ${INDEX_FILE}`);
  if (outer.kind !== "index") throw invalid(`${what}: ${INDEX_FILE} is no index`);
  const images = new Map<string, LayoutImage>();
  for (const entry of outer.index.manifests) {
    const found = leaf(files, entry, platform, 0);
    if (!found) continue;
    const before = images.get(found.descriptor.digest);
    const names = [...new Set([...(before?.names ?? []), ...namesOf(entry)])];
    images.set(found.descriptor.digest, { ...found, names });
  }
  if (images.size === 0) throw new VitrineError("NOT_FOUND", `${what}: holds no image`);
  return [...images.values()];
}

/** Undefined for what is not there (an archive may hold one platform of several) and for what is no image. */
function leaf(
  files: ArchiveFiles,
  entry: Descriptor,
  platform: Platform,
  depth: number,
): Omit<LayoutImage, "names"> | undefined {
  if (![...MANIFEST_TYPES, ...INDEX_TYPES].includes(entry.mediaType)) return undefined;
  if (!files.find(blobName(entry.digest))) return undefined;
  const bytes = readVerified(files, entry, LARGEST_MANIFEST);
  const read = parseManifest(bytes, `${files.what}: ${entry.digest}`, entry.mediaType);
  if (read.kind === "manifest") return { descriptor: entry, bytes };
  if (depth >= DEEPEST_INDEX) throw invalid(`${files.what}: indexes in indexes, more than ${DEEPEST_INDEX} deep`);
  const chosen = choosePlatform(thereOf(files, read.index), platform, `${files.what}: ${entry.digest}`);
  return leaf(files, chosen, platform, depth + 1);
}

/** Only what the archive has can be chosen; if it has nothing, all, so that the error tells what there should be. */
function thereOf(files: ArchiveFiles, index: Index): Index {
  const manifests = index.manifests.filter(({ digest }) => files.find(blobName(digest)));
  return manifests.length > 0 ? { ...index, manifests } : index;
}

/** @throws INVALID if it is not there, or not what the descriptor says */
export function readVerified(files: ArchiveFiles, { digest, size }: Descriptor, largest: number): Uint8Array {
  const bytes = readSmallFile(files, blobName(digest), largest);
  if (bytes.length !== size) throw invalid(`${files.what}: ${digest} has ${bytes.length} bytes instead of ${size}`);
  const found = digestOf(bytes, digest.startsWith("sha512:") ? "sha512" : "sha256");
  if (found !== digest) throw invalid(`${files.what}: ${digest} is not what its name says: its content has ${found}`);
  return bytes;
}

function namesOf({ annotations = {} }: Descriptor): string[] {
  const name = annotations[NAME_ANNOTATION] || annotations[REF_ANNOTATION];
  return name ? [name] : [];
}
