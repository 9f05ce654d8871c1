/** What a reader of a format sees of an archive or a directory: regular files, by name. */
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { invalid } from "../../errors.ts";
import type { Digest } from "../../spec/digest.ts";

export interface StoredFile {
  /** On disk. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Known where it was hashed on its way here. */
  readonly digest?: Digest;
  /** It is the engine's own and may be taken away by rename; else it is copied. */
  readonly own: boolean;
}

export interface ArchiveFiles {
  /** As errors call it: `archive "x.tar"`. */
  readonly what: string;
  /** @throws INVALID if the name leads out of the archive */
  find(name: string): StoredFile | undefined;
}

/** A file of an OCI layout (image-layout.md). */
export const LAYOUT_FILE = "oci-layout";
export const INDEX_FILE = "index.json";
/** What `docker save` writes beside the layers. */
export const MANIFEST_FILE = "manifest.json";

/** Where a layout has a blob. */
export function blobName(digest: Digest): string {
  return `blobs/${digest.replace(":", "/")}`;
}

/** @param largest bytes @throws INVALID if there is no such file, or it is larger */
export function readSmallFile(files: ArchiveFiles, name: string, largest: number): Uint8Array {
  const file = files.find(name);
  if (!file) throw invalid(`${files.what}: has no ${name}`);
  if (file.size > largest) throw invalid(`${files.what}: ${name} has ${file.size} bytes; ${largest} at most`);
  const fd = openRegular(file.path);
  try {
    const bytes = new Uint8Array(file.size);
    let done = 0;
    for (let n = 1; n > 0 && done < bytes.length; done += n) n = readSync(fd, bytes, done, bytes.length - done, null);
    return bytes.subarray(0, done);
  } finally {
    closeSync(fd);
  }
}

/** What a stranger's directory has may be a link, a FIFO or a device: none of them is opened for reading. */
export function openRegular(path: string): number {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw invalid(`"${path}": not a regular file`);
}
