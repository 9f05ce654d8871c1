/** Blobs by digest: whole and verified, or not there. Big ones are written by src/image/partial.ts. */
import { readFileSync, rmSync, statSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import type { Digest } from "../spec/digest.ts";
import { writeDurably } from "./durable.ts";
import { algorithmOf, DigestMismatch, digestOf } from "./hash.ts";
import { noteUse } from "./leases.ts";
import { blobFile } from "./paths.ts";

export { type BlobWriter, openBlob } from "./partial.ts";
export { blobFile };

export function hasBlob(paths: Paths, digest: Digest): boolean {
  return blobSize(paths, digest) !== undefined;
}

/** Bytes; undefined if it is not there. */
export function blobSize(paths: Paths, digest: Digest): number | undefined {
  return statSync(blobFile(paths, digest), { throwIfNoEntry: false })?.size;
}

/** For what fits into memory. Verified: a disk may have lost it. @throws NOT_FOUND, or BROKEN_STATE if it is not what its name says */
export function readBlob(paths: Paths, digest: Digest): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(blobFile(paths, digest));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new VitrineError("NOT_FOUND", `blob ${digest} is not in the store`, { hint: "pull the image again" });
  }
  if (digestOf(bytes, algorithmOf(digest)) === digest) return bytes;
  throw new VitrineError("BROKEN_STATE", `${blobFile(paths, digest)}: damaged: its content has another digest`, {
    hint: "remove the file, and pull the image again",
  });
}

/** @param digest what it should have, if that is known @throws DigestMismatch if it has another one; nothing is stored then */
export function writeBlob(paths: Paths, bytes: Uint8Array, digest?: Digest): Digest {
  const found = digestOf(bytes, digest === undefined ? "sha256" : algorithmOf(digest));
  if (digest !== undefined && found !== digest) throw new DigestMismatch(digest, found);
  noteUse(paths, [found]);
  if (blobSize(paths, found) !== bytes.length) writeDurably(blobFile(paths, found), bytes);
  return found;
}

export function removeBlob(paths: Paths, digest: Digest): void {
  rmSync(blobFile(paths, digest), { force: true });
}
