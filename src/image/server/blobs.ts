/** Content by digest, shared between repositories, and which blobs belong to which of them. */
import { rm, utimes } from "node:fs/promises";
import { isThere, removeDurably, renameDurably, sizeOf, touchDurably, writeDurably } from "./durable.ts";
import { blobLink, contentFile } from "./layout.ts";
import type { Digest } from "./names.ts";

/** Bytes; undefined if the repository has no such blob. */
export async function blobSize(data: string, repository: string, digest: Digest): Promise<number | undefined> {
  if (!(await isThere(blobLink(data, repository, digest)))) return undefined;
  return await sizeOf(contentFile(data, digest));
}

export async function hasContent(data: string, digest: Digest): Promise<boolean> {
  return await isThere(contentFile(data, digest));
}

/** Idempotent. The content has to be there. */
export async function linkBlob(data: string, repository: string, digest: Digest): Promise<void> {
  await touchDurably(blobLink(data, repository, digest));
}

/** False if the repository has no such blob. The content stays until it is collected. */
export async function unlinkBlob(data: string, repository: string, digest: Digest): Promise<boolean> {
  return await removeDurably(blobLink(data, repository, digest));
}

/** @param file verified and flushed; gone afterwards */
export async function commitContent(data: string, file: string, digest: Digest): Promise<void> {
  const target = contentFile(data, digest);
  if ((await sizeOf(target)) === undefined) return await renameDurably(file, target);
  await refresh(target);
  await rm(file);
}

export async function writeContent(data: string, bytes: Uint8Array, digest: Digest): Promise<void> {
  const target = contentFile(data, digest);
  if ((await sizeOf(target)) === bytes.length) await refresh(target);
  else await writeDurably(data, target, bytes);
}

async function refresh(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now);
}
