/**
 * Frees what no repository needs any more. Alone on the directory (presence.ts), so that nothing appears meanwhile; what is young stays,
 * because it may belong to a push that goes on afterwards.
 */
import { rm, stat } from "node:fs/promises";
import { walk } from "./catalog.ts";
import { dropTemporary, findDirectory } from "./directory.ts";
import { readDocument } from "./document.ts";
import { list, unlessMissing } from "./durable.ts";
import { blobsDirectory, contentFile, repositoriesDirectory, repositoryDirectory } from "./layout.ts";
import { findManifest, readManifest } from "./manifests.ts";
import { type Digest, readDigest } from "./names.ts";
import { announce } from "./presence.ts";
import { Uploads } from "./uploads.ts";

export interface Collected {
  readonly uploads: number;
  /** Blobs that belonged to a repository without being part of one of its manifests. */
  readonly links: number;
  readonly blobs: number;
  readonly bytes: number;
}

/** @param grace milliseconds: nothing younger goes @throws VitrineError CONFLICT if a server works on it */
export async function collectRegistry(data: string, grace: number): Promise<Collected> {
  await findDirectory(data);
  const leave = await announce(data, "gc");
  try {
    const oldest = Date.now() - grace;
    const uploads = await new Uploads(data).expire(grace);
    await dropTemporary(data, grace);
    const needed = new Set<string>();
    let links = 0;
    await walk(repositoriesDirectory(data), "", async (name) => {
      links += await sweepRepository(data, name, oldest, needed);
    });
    const { blobs, bytes } = await sweepContent(data, oldest, needed);
    return { uploads, links, blobs, bytes };
  } finally {
    await leave();
  }
}

async function sweepRepository(data: string, name: string, oldest: number, needed: Set<string>): Promise<number> {
  const referred = new Set<string>();
  for (const digest of await digestsIn(`${repositoryDirectory(data, name)}/_manifests`)) {
    const manifest = await findManifest(data, name, { digest });
    if (!manifest) continue;
    needed.add(digest.text);
    const { references } = readDocument(await readManifest(data, manifest), manifest.mediaType);
    for (const reference of references) referred.add(reference.digest.text);
  }
  let links = 0;
  const directory = `${repositoryDirectory(data, name)}/_blobs`;
  for (const digest of await digestsIn(directory)) {
    const link = `${directory}/${digest.algorithm}/${digest.hex}`;
    if (referred.has(digest.text) || !(await isOlder(link, oldest))) needed.add(digest.text);
    else {
      await rm(link, { force: true });
      links++;
    }
  }
  return links;
}

async function sweepContent(
  data: string,
  oldest: number,
  needed: ReadonlySet<string>,
): Promise<{ blobs: number; bytes: number }> {
  let [blobs, bytes] = [0, 0];
  for (const digest of await digestsIn(blobsDirectory(data))) {
    const file = contentFile(data, digest);
    if (needed.has(digest.text) || !(await isOlder(file, oldest))) continue;
    bytes += (await stat(file)).size;
    await rm(file);
    blobs++;
  }
  return { blobs, bytes };
}

/** Of files ALGORITHM/HEX below it. */
async function digestsIn(directory: string): Promise<Digest[]> {
  const found: Digest[] = [];
  for (const algorithm of ["sha256", "sha512"])
    for (const hex of await list(`${directory}/${algorithm}`)) {
      const digest = readDigest(`${algorithm}:${hex}`);
      if (digest) found.push(digest);
    }
  return found;
}

async function isOlder(file: string, oldest: number): Promise<boolean> {
  const found = await unlessMissing(stat(file));
  return found !== undefined && found.mtimeMs <= oldest;
}
