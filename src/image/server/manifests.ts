/** Manifests of repositories, their tags, and who refers to them. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { blobSize, writeContent } from "./blobs.ts";
import { type Document, type Reference, readDocument } from "./document.ts";
import { isThere, list, readText, removeDurably, sizeOf, unlessMissing, writeTextDurably } from "./durable.ts";
import {
  contentFile,
  manifestLink,
  referrerFile,
  referrersDirectory,
  repositoryDirectory,
  tagFile,
  tagsDirectory,
} from "./layout.ts";
import { type Algorithm, type Digest, isTag, readDigest } from "./names.ts";
import { type Fault, Refusal, refuse } from "./refusal.ts";

export interface Manifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly size: number;
}

type TagOrDigest = { readonly tag: string } | { readonly digest: Digest };

/** A repository is there once a manifest was pushed to it. */
export async function hasRepository(data: string, repository: string): Promise<boolean> {
  return await isThere(`${repositoryDirectory(data, repository)}/_manifests`);
}

export async function findManifest(
  data: string,
  repository: string,
  reference: TagOrDigest,
): Promise<Manifest | undefined> {
  const digest = "tag" in reference ? await readTag(data, repository, reference.tag) : reference.digest;
  if (!digest) return undefined;
  const link = await readText(manifestLink(data, repository, digest));
  const size = link === undefined ? undefined : await sizeOf(contentFile(data, digest));
  if (link === undefined || size === undefined) return undefined;
  return { digest, size, mediaType: (JSON.parse(link) as { mediaType: string }).mediaType };
}

/** The bytes as they were pushed, held against their digest. */
export async function readManifest(data: string, { digest }: Manifest): Promise<Uint8Array> {
  const bytes = await readFile(contentFile(data, digest));
  if (hashOf(bytes, digest.algorithm) !== digest.hex)
    throw new Error(`${contentFile(data, digest)}: is damaged: its digest is another`);
  return bytes;
}

/** @throws Refusal if the manifest is not valid, is another, or refers to what the repository has not */
export async function putManifest(
  data: string,
  repository: string,
  reference: TagOrDigest,
  tags: readonly string[],
  bytes: Uint8Array,
  contentType: string | undefined,
): Promise<{ digest: Digest; subject: Digest | undefined }> {
  const algorithm = "digest" in reference ? reference.digest.algorithm : "sha256";
  const hex = hashOf(bytes, algorithm);
  const digest: Digest = { algorithm, hex, text: `${algorithm}:${hex}` };
  if ("digest" in reference && reference.digest.text !== digest.text)
    throw refuse(400, "DIGEST_INVALID", `the manifest's digest is ${digest.text}, not ${reference.digest.text}`);
  const document = readDocument(bytes, contentType);
  await checkReferences(data, repository, document.references);
  await writeContent(data, bytes, digest);
  await writeTextDurably(
    data,
    manifestLink(data, repository, digest),
    JSON.stringify({ mediaType: document.mediaType }),
  );
  if (document.subject) await putReferrer(data, repository, document.subject, digest, bytes.length, document);
  for (const tag of "tag" in reference ? [reference.tag, ...tags] : tags)
    await writeTextDurably(data, tagFile(data, repository, tag), digest.text);
  return { digest, subject: document.subject };
}

async function checkReferences(data: string, repository: string, references: readonly Reference[]): Promise<void> {
  const faults: Fault[] = [];
  for (const { digest, size, kind } of references) {
    const stored =
      (kind === "manifest" ? (await findManifest(data, repository, { digest }))?.size : undefined) ??
      (await blobSize(data, repository, digest));
    if (stored === size) continue;
    if (stored !== undefined)
      throw refuse(400, "MANIFEST_INVALID", `${digest.text} has ${stored} bytes, and the manifest says ${size}`);
    const message = `${repository} has no ${kind} ${digest.text}: it has to be pushed before`;
    faults.push({ code: "MANIFEST_BLOB_UNKNOWN", message, detail: { digest: digest.text } });
    if (faults.length >= 100) break;
  }
  // Docker's registry answers 404 here, and the spec leaves the status open: what is missing is a part, not this manifest.
  if (faults.length > 0) throw new Refusal(400, faults);
}

async function putReferrer(
  data: string,
  repository: string,
  subject: Digest,
  digest: Digest,
  size: number,
  { mediaType, artifactType, annotations }: Document,
): Promise<void> {
  const descriptor = { mediaType, digest: digest.text, size, artifactType, annotations };
  await writeTextDurably(data, referrerFile(data, repository, subject, digest), JSON.stringify(descriptor));
}

/** With its tags. False if there is none. */
export async function deleteManifest(data: string, repository: string, digest: Digest): Promise<boolean> {
  const manifest = await findManifest(data, repository, { digest });
  if (!manifest) return false;
  for (const tag of await listTags(data, repository))
    if ((await readTag(data, repository, tag))?.text === digest.text)
      await rm(tagFile(data, repository, tag), { force: true });
  const { subject } = readDocument(await readManifest(data, manifest), manifest.mediaType);
  if (subject) await removeDurably(referrerFile(data, repository, subject, digest));
  return await removeDurably(manifestLink(data, repository, digest));
}

export async function deleteTag(data: string, repository: string, tag: string): Promise<boolean> {
  return await removeDurably(tagFile(data, repository, tag));
}

export async function readTag(data: string, repository: string, tag: string): Promise<Digest | undefined> {
  return readDigest((await readText(tagFile(data, repository, tag))) ?? "");
}

/** In the order of their bytes. */
export async function listTags(data: string, repository: string): Promise<string[]> {
  return (await list(tagsDirectory(data, repository))).filter(isTag).sort();
}

/** Descriptors of manifests with this subject, in the order of their digests. */
export async function listReferrers(
  data: string,
  repository: string,
  subject: Digest,
): Promise<{ artifactType?: string; digest: string }[]> {
  const found: { artifactType?: string; digest: string }[] = [];
  const directory = referrersDirectory(data, repository, subject);
  for (const name of (await list(directory)).sort()) {
    const digest = readDigest(name.replace("-", ":"));
    const text = digest && (await unlessMissing(readFile(`${directory}/${name}`, "utf8")));
    if (digest && text && (await isThere(manifestLink(data, repository, digest)))) found.push(JSON.parse(text));
  }
  return found;
}

function hashOf(bytes: Uint8Array, algorithm: Algorithm): string {
  return createHash(algorithm).update(bytes).digest("hex");
}
