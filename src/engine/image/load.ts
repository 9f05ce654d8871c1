/** `load`: images of an archive or a layout come into the store. */
import { statSync } from "node:fs";
import { VitrineError } from "../../errors.ts";
import { adoptBlob } from "../../image/archive/adopt.ts";
import { filesOfDirectory } from "../../image/archive/directory.ts";
import type { ArchiveFiles } from "../../image/archive/files.ts";
import { withIncoming } from "../../image/archive/incoming.ts";
import { unpackImage } from "../../image/archive/install.ts";
import { type ArchiveImage, readArchive } from "../../image/archive/read.ts";
import { spoolTar } from "../../image/archive/spooltar.ts";
import { writeBlob } from "../../image/blobs.ts";
import { commitImage, type ImageRecord } from "../../image/images.ts";
import { takeLease } from "../../image/leases.ts";
import type { Platform } from "../../spec/image.ts";
import type { Engine } from "../context.ts";
import { imageEvent } from "../events.ts";

export interface LoadRequest {
  /** A file or a directory; else the bytes of an archive. */
  readonly from: string | AsyncIterable<Uint8Array>;
  readonly platform: Platform;
  /** Which of the images; all if not given. */
  readonly choose?: (images: readonly ArchiveImage[], what: string) => readonly ArchiveImage[];
  /** Without the names that they have there. */
  readonly nameless?: boolean;
  readonly signal?: AbortSignal;
}

export interface Loaded {
  readonly image: ImageRecord;
  /** Whole ones. */
  readonly names: readonly string[];
}

/**
 * All of them or none: what is not whole is not seen, and what a failure left is collected.
 * @throws NOT_FOUND, INVALID with the archive and what is wrong in it
 */
export async function loadImages(engine: Engine, request: LoadRequest): Promise<Loaded[]> {
  const { from } = request;
  if (typeof from === "string") {
    const stat = statSync(from, { throwIfNoEntry: false });
    if (!stat) throw new VitrineError("NOT_FOUND", `"${from}": no such file`);
    if (stat.isDirectory()) return install(engine, request, filesOfDirectory(from, `directory "${from}"`));
  }
  const what = typeof from === "string" ? `archive "${from}"` : "the archive on standard input";
  return withIncoming(engine.paths, async (directory) =>
    install(engine, request, await spoolTar(from, what, directory)),
  );
}

async function install(engine: Engine, request: LoadRequest, files: ArchiveFiles): Promise<Loaded[]> {
  const { paths } = engine;
  const all = readArchive(files, request.platform);
  const chosen = request.choose ? request.choose(all, files.what) : all;
  const lease = takeLease(paths);
  try {
    await lease.hold(chosen.flatMap(({ digest, blobs }) => [digest, ...blobs.map((b) => b.descriptor.digest)]));
    const loaded: Loaded[] = [];
    for (const { blobs, bytes, digest, manifest, names } of chosen) {
      for (const blob of blobs) await adoptBlob(paths, blob, files.what);
      writeBlob(paths, bytes, digest);
      const image = await unpackImage(engine, manifest, digest, lease, files.what, request.signal);
      loaded.push({ image, names: request.nameless ? [] : names });
    }
    for (const { image, names } of loaded) {
      commitImage(paths, image, names);
      imageEvent(engine, "load", `sha256:${image.id}`, names[0]);
    }
    return loaded;
  } catch (error) {
    lease.release();
    const { collectGarbage } = await import("./garbage.ts");
    await collectGarbage(engine, false);
    throw error;
  } finally {
    lease.release();
  }
}
