/** `save`: images of the store go into an archive or a directory. */
import { createReadStream } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { layoutFiles, type SavedFile, type SavedImage } from "../../image/archive/archived.ts";
import { blobFile, readBlob } from "../../image/blobs.ts";
import { findImage, type ImageRecord, listNames } from "../../image/images.ts";
import { type Lease, takeLease } from "../../image/leases.ts";
import { parseRegistryName, type RegistryReference } from "../../image/registryname.ts";

export const FORMATS = ["docker-archive", "oci-archive", "oci-dir"] as const;
export type SaveFormat = (typeof FORMATS)[number];

/** What is to be saved: the files of an archive, and the images that they are of, which stay until it is let go. */
export interface Saving {
  readonly files: readonly SavedFile[];
  release(): void;
}

/** @param asked names and ids; a name without a tag stands for all its tags @throws NOT_FOUND for those that are not there */
export async function prepareSave(paths: Paths, asked: readonly string[], format: SaveFormat): Promise<Saving> {
  const lease = takeLease(paths);
  try {
    const images = imagesOf(paths, asked);
    await holdAll(
      lease,
      images.map(({ record }) => record),
    );
    const saved = images.map(({ record, names }): SavedImage => {
      const { platform, manifest } = record;
      return { names, platform, manifest: readBlob(paths, manifest) };
    });
    return { files: layoutFiles(saved, format === "docker-archive"), release: () => lease.release() };
  } catch (error) {
    lease.release();
    throw error;
  }
}

function holdAll(lease: Lease, records: readonly ImageRecord[]): Promise<void> {
  return lease.hold(records.flatMap((r) => [r.manifest, r.configDigest, ...r.layers.map(({ digest }) => digest)]));
}

interface Asked {
  readonly record: ImageRecord;
  readonly names: RegistryReference[];
}

/** Each image once, with all the names it was asked for by. */
function imagesOf(paths: Paths, asked: readonly string[]): Asked[] {
  const images = new Map<string, Asked>();
  const take = (record: ImageRecord, name: RegistryReference | undefined) => {
    const image = images.get(record.id) ?? { record, names: [] };
    images.set(record.id, image);
    if (name && !image.names.some((n) => n.name === name.name && n.tag === name.tag)) image.names.push(name);
  };
  for (const text of asked) {
    const tags = tagsOf(paths, text);
    for (const { name, id } of tags) take(findImage(paths, id), name);
    if (tags.length === 0) take(findImage(paths, text), undefined);
  }
  return [...images.values()];
}

/** The name, or, where no tag is written, every tag of it; none if what was written is an id or a digest. */
function tagsOf(paths: Paths, text: string): { name: RegistryReference; id: string }[] {
  let asked: RegistryReference;
  try {
    asked = parseRegistryName(text);
  } catch {
    return [];
  }
  if (asked.digest !== undefined) return [];
  const all = !text.slice(text.lastIndexOf("/") + 1).includes(":");
  return listNames(paths)
    .map(({ name, id }) => ({ name: parseRegistryName(name), id }))
    .filter(({ name }) => name.digest === undefined && name.name === asked.name && (all || name.tag === asked.tag));
}

/** The bytes of a file. */
export async function* contentOf(paths: Paths, file: SavedFile): AsyncGenerator<Uint8Array> {
  if ("bytes" in file) yield file.bytes;
  else yield* createReadStream(blobFile(paths, file.blob), { highWaterMark: 2 ** 20 });
}

export function sizeOf(file: SavedFile): number {
  return "bytes" in file ? file.bytes.length : file.size;
}
