/** Answers to GET and HEAD of blobs and manifests. */
import type { FileHandle } from "node:fs/promises";
import { blobSize } from "./blobs.ts";
import { openFile } from "./durable.ts";
import type { Exchange } from "./exchange.ts";
import { contentFile } from "./layout.ts";
import { findManifest, hasRepository, readManifest } from "./manifests.ts";
import { checkDigest, checkReference } from "./names.ts";
import { readRange, type Span } from "./ranges.ts";
import { refuse } from "./refusal.ts";

/** All that goes out at the same time holds no more than this, bytes. */
const IN_FLIGHT = 32 << 20;
const LARGEST_PIECE = 1 << 20;
const SMALLEST_PIECE = 64 << 10;
let sending = 0;

export async function getBlob(x: Exchange, data: string, repository: string, text: string): Promise<void> {
  const digest = checkDigest(text);
  const size = await blobSize(data, repository, digest);
  const file = size === undefined ? undefined : await openFile(contentFile(data, digest));
  if (size === undefined || !file)
    throw refuse(404, "BLOB_UNKNOWN", `${repository} has no blob ${digest.text}`, { digest: digest.text });
  try {
    const etag = `"${digest.text}"`;
    const headers = {
      "accept-ranges": "bytes",
      "cache-control": "max-age=31536000",
      "content-type": "application/octet-stream",
      "docker-content-digest": digest.text,
      etag,
    };
    if (matches(x.header("if-none-match"), etag)) return x.unchanged(headers);
    const condition = x.header("if-range");
    const asked = condition === undefined || condition === etag ? x.header("range") : undefined;
    const range = x.method === "GET" ? readRange(asked, size) : undefined;
    if (range === "unsatisfiable")
      throw refuse(416, "SIZE_INVALID", `${digest.text} has ${size} bytes`, undefined, {
        "content-range": `bytes */${size}`,
      });
    const span = range ?? { first: 0, last: size - 1 };
    x.head(range ? 206 : 200, {
      ...headers,
      "content-length": String(span.last - span.first + 1),
      ...(range && { "content-range": `bytes ${span.first}-${span.last}/${size}` }),
    });
    if (x.method === "GET") await send(x, file, span);
    x.response.end();
  } finally {
    await file.close();
  }
}

/** A piece is read while the kernel takes the one before. */
async function send(x: Exchange, file: FileHandle, { first, last }: Span): Promise<void> {
  sending++;
  try {
    for (let at = first; at <= last && !x.response.destroyed; ) {
      const share = Math.min(LARGEST_PIECE, Math.max(SMALLEST_PIECE, Math.floor(IN_FLIGHT / sending)));
      const piece = Buffer.allocUnsafe(Math.min(share, last + 1 - at));
      const { bytesRead } = await file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error("a blob is shorter than it was");
      at += bytesRead;
      x.sent += bytesRead;
      if (!x.response.write(piece.subarray(0, bytesRead))) await drained(x);
    }
  } finally {
    sending--;
  }
}

async function drained({ response }: Exchange): Promise<void> {
  if (response.destroyed) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.on("drain", done);
    response.on("close", done);
  });
}

export async function getManifest(x: Exchange, data: string, repository: string, text: string): Promise<void> {
  const manifest = await findManifest(data, repository, checkReference(text));
  if (!manifest) {
    if (!(await hasRepository(data, repository)))
      throw refuse(404, "NAME_UNKNOWN", `there is no repository ${repository}`, { name: repository });
    throw refuse(404, "MANIFEST_UNKNOWN", `${repository} has no manifest ${text}`, { reference: text });
  }
  const etag = `"${manifest.digest.text}"`;
  const headers = { "docker-content-digest": manifest.digest.text, etag };
  if (matches(x.header("if-none-match"), etag)) return x.unchanged(headers);
  const bytes = x.method === "HEAD" ? new Uint8Array() : await readManifest(data, manifest);
  x.head(200, { ...headers, "content-type": manifest.mediaType, "content-length": String(manifest.size) });
  x.end(bytes);
}

function matches(header: string | undefined, etag: string): boolean {
  return (header ?? "").split(",").some((item) => ["*", etag, `W/${etag}`].includes(item.trim()));
}
