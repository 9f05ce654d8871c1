/** Answers to uploads of blobs and to PUT of manifests. */

import { LARGEST_MANIFEST } from "../../spec/image.ts";
import { blobSize, hasContent, linkBlob } from "./blobs.ts";
import type { Exchange } from "./exchange.ts";
import { putManifest } from "./manifests.ts";
import {
  type Algorithm,
  checkAlgorithm,
  checkDigest,
  checkReference,
  type Digest,
  isRepository,
  isTag,
} from "./names.ts";
import type { Place } from "./place.ts";
import { readContentRange, type Span, uploadRange } from "./ranges.ts";
import { refuse } from "./refusal.ts";
import type { Upload, Uploads } from "./uploads.ts";

const MOST_TAGS = 100;

/** POST: begins an upload, or does it all at once (`digest`), or takes the blob of another repository (`mount`). */
export async function beginUpload(x: Exchange, data: string, uploads: Uploads, repository: string): Promise<void> {
  const mount = x.query.get("mount");
  if (mount !== null && (await mountBlob(data, repository, checkDigest(mount), x.query.get("from"))))
    return created(x, repository, checkDigest(mount));
  const text = x.query.get("digest");
  const digest = text === null ? undefined : checkDigest(text);
  const id = await uploads.create(repository, digest?.algorithm ?? checkAlgorithm(x.query.get("digest-algorithm")));
  if (!digest) return accepted(x, repository, id, 0, 202);
  const upload = await uploads.take(repository, id);
  try {
    await upload.append(x.body(), digest.algorithm);
    await upload.commit(repository, digest);
  } finally {
    await upload.discard(); // nobody knows its id
  }
  created(x, repository, digest);
}

/** Everybody may read everything here, so that content of any repository will do where none is named. */
async function mountBlob(data: string, repository: string, digest: Digest, from: string | null): Promise<boolean> {
  if (from !== null && !isRepository(from)) return false;
  const there = from === null ? hasContent(data, digest) : blobSize(data, from, digest);
  if (!(await there)) return false;
  await linkBlob(data, repository, digest);
  return true;
}

export async function uploadStatus(x: Exchange, uploads: Uploads, repository: string, id: string): Promise<void> {
  accepted(x, repository, id, await uploads.offset(repository, id), 204);
}

/** PATCH: a chunk, or a stream without Content-Range as docker sends it. */
export async function takeChunk(x: Exchange, uploads: Uploads, repository: string, id: string): Promise<void> {
  await withUpload(uploads, repository, id, async (upload) => {
    await takeBody(x, repository, upload, "sha256");
    return () => accepted(x, repository, id, upload.offset, 202);
  });
}

/** PUT: perhaps a last chunk; then what came becomes a blob. */
export async function endUpload(x: Exchange, uploads: Uploads, repository: string, id: string): Promise<void> {
  const digest = checkDigest(x.query.get("digest"));
  await withUpload(uploads, repository, id, async (upload) => {
    await takeBody(x, repository, upload, digest.algorithm);
    x.request.socket.setTimeout(0); // flushing may take long
    await upload.commit(repository, digest);
    return () => created(x, repository, digest);
  });
}

export async function cancelUpload(x: Exchange, uploads: Uploads, repository: string, id: string): Promise<void> {
  const upload = await uploads.take(repository, id);
  await upload.discard();
  x.answer(204, {});
}

/** The answer goes out when the next request may have the upload. */
async function withUpload(
  uploads: Uploads,
  repository: string,
  id: string,
  work: (upload: Upload) => Promise<() => void>,
): Promise<void> {
  const upload = await uploads.take(repository, id);
  let answer: () => void;
  try {
    answer = await work(upload);
  } finally {
    await upload.release();
  }
  answer();
}

/** Bytes go behind what is there, and a Content-Range has to say just that. */
async function takeBody(x: Exchange, repository: string, upload: Upload, algorithm: Algorithm): Promise<void> {
  const span = checkChunk(x, repository, upload);
  if (x.hasBody) await upload.append(x.body(), algorithm);
  if (span && upload.offset !== span.last + 1)
    throw refuse(400, "SIZE_INVALID", `the chunk ends at ${span.last}, and what came at ${upload.offset - 1}`);
}

function checkChunk(x: Exchange, repository: string, upload: Upload): Span | undefined {
  const header = x.header("content-range");
  if (header === undefined) return undefined;
  const span = readContentRange(header);
  if (!span) throw refuse(400, "BLOB_UPLOAD_INVALID", `Content-Range "${header.slice(0, 80)}" is not FIRST-LAST`);
  if (span.first !== upload.offset)
    throw refuse(
      416,
      "BLOB_UPLOAD_INVALID",
      `the next byte is ${upload.offset}, and this chunk begins at ${span.first}`,
      undefined,
      {
        location: location(repository, upload.id),
        range: uploadRange(upload.offset),
        "docker-upload-uuid": upload.id,
      },
    );
  const length = span.last - span.first + 1;
  if (x.length !== undefined && x.length !== length)
    throw refuse(400, "SIZE_INVALID", `Content-Range is of ${length} bytes, and Content-Length says ${x.length}`);
  return span;
}

const location = (repository: string, id: string) => `/v2/${repository}/blobs/uploads/${id}`;

function accepted(x: Exchange, repository: string, id: string, offset: number, status: number): void {
  x.answer(status, {
    location: location(repository, id),
    range: uploadRange(offset),
    "docker-upload-uuid": id,
  });
}

function created(x: Exchange, repository: string, digest: Digest): void {
  x.answer(201, { location: `/v2/${repository}/blobs/${digest.text}`, "docker-content-digest": digest.text });
}

export async function takeManifest(x: Exchange, place: Place, repository: string, text: string): Promise<void> {
  const reference = checkReference(text);
  const tags = x.query.getAll("tag");
  if (tags.length > 0 && "tag" in reference)
    throw refuse(400, "TAG_INVALID", "tags in the query go with a digest in the path");
  if (tags.length > MOST_TAGS) throw refuse(414, "TAG_INVALID", `${tags.length} tags, and ${MOST_TAGS} at most`);
  for (const tag of tags) if (!isTag(tag)) throw refuse(400, "TAG_INVALID", `"${tag.slice(0, 80)}" is no tag`);
  const bytes = await x.whole(LARGEST_MANIFEST, () =>
    refuse(413, "SIZE_INVALID", `the manifest is larger than ${LARGEST_MANIFEST} bytes`),
  );
  const { digest, subject } = await place.inTurn(repository, () =>
    putManifest(place.data, repository, reference, tags, bytes, x.header("content-type")),
  );
  x.answer(201, {
    location: `/v2/${repository}/manifests/${digest.text}`,
    "docker-content-digest": digest.text,
    ...(subject && { "oci-subject": subject.text }),
    ...(tags.length > 0 && { "oci-tag": tags.join(", ") }),
  });
}
