/** Files of archives become blobs of the store: by rename where they are the engine's own, else by copying what they hold now. */
import { closeSync, readSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import type { Paths } from "../../container/paths.ts";
import { invalid } from "../../errors.ts";
import type { Descriptor } from "../../spec/image.ts";
import { blobFile, blobSize, openBlob } from "../blobs.ts";
import { makeDirectory, syncDirectory } from "../durable.ts";
import { algorithmOf, DigestMismatch } from "../hash.ts";
import { openRegular, type StoredFile } from "./files.ts";

export interface Blob {
  readonly descriptor: Descriptor;
  readonly file: StoredFile;
}

const CHUNK = 2 ** 20;

/** @param what as errors call the archive @throws INVALID if the file is not what the descriptor says; nothing is stored then */
export async function adoptBlob(paths: Paths, { descriptor, file }: Blob, what: string): Promise<void> {
  const { digest, size } = descriptor;
  if (file.size !== size) throw invalid(`${what}: ${digest} has ${file.size} bytes instead of ${size}`);
  if (file.own && file.digest !== undefined && algorithmOf(digest) === "sha256") {
    if (file.digest !== digest) throw new DigestMismatch(digest, file.digest, false);
    if (blobSize(paths, digest) !== size) moveInto(file.path, blobFile(paths, digest));
  } else if (blobSize(paths, digest) !== size) await copy(paths, descriptor, file.path);
}

/** A file that is on disk already. */
function moveInto(from: string, to: string): void {
  makeDirectory(dirname(to));
  renameSync(from, to);
  syncDirectory(dirname(to));
}

async function copy(paths: Paths, { digest, size }: Descriptor, path: string): Promise<void> {
  const fd = openRegular(path);
  try {
    const writer = await openBlob(paths, digest, { size });
    if (!writer) return;
    try {
      writer.restart(); // what another file of that name left may be anything
      const buffer = new Uint8Array(CHUNK);
      for (let n = 1; n > 0; ) {
        n = readSync(fd, buffer, 0, buffer.length, null);
        writer.write(buffer.subarray(0, n));
      }
      await writer.commit();
    } finally {
      writer.abandon();
    }
  } finally {
    closeSync(fd);
  }
}
