/**
 * What nobody needs any more of the image store: blobs and layers that no image, container or running command names,
 * blobs that a killed command left half, leases of dead ones. See src/image/leases.ts for why a running pull is safe.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { carryOut } from "../../container/plans.ts";
import { randomHex } from "../../container/random.ts";
import { blobFile } from "../../image/blobs.ts";
import { isHeld, parseClaim } from "../../image/claim.ts";
import { unfinishedBy } from "../../image/durable.ts";
import { listImageIds, listImages, readImage, removeImage } from "../../image/images.ts";
import { listLayers, readLayer } from "../../image/layers.ts";
import { leased, startCollecting } from "../../image/leases.ts";
import { listPartial } from "../../image/partial.ts";
import { blobsDirectory, layerDirectory, layersDirectory, layerTree } from "../../image/paths.ts";
import { planRemoval } from "../../plan/removal.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Engine } from "../context.ts";
import { imageUsers } from "./users.ts";

export interface Garbage {
  /** Chain ids. */
  readonly layers: readonly Digest[];
  readonly blobs: readonly Digest[];
  /** Blobs that were half there. */
  readonly partial: readonly Digest[];
  /** Bytes on disk that are free now. */
  readonly bytes: number;
}

/** Layers that are taken away, before they are gone. */
const TRASH = "trash";

/** @param partial also blobs that are half there: a later pull would go on with them */
export async function collectGarbage(engine: Engine, partial: boolean): Promise<Garbage> {
  const done = await startCollecting(engine.paths);
  let garbage: Garbage;
  try {
    garbage = await takeAway(engine, partial);
  } finally {
    done();
  }
  emptyTrash(engine);
  return garbage;
}

async function takeAway(engine: Engine, alsoPartial: boolean): Promise<Garbage> {
  const { paths } = engine;
  const layers = listLayers(paths);
  const blobs = listBlobs(engine);
  const partials = listPartial(paths).filter(({ claim }) => !claim || !isHeld(claim));
  // Leases before images: what is committed and then let go is seen in one of them. Containers last: they need an image to start.
  const held = leased(paths);
  for (const image of listImages(paths)) {
    held.add(image.manifest).add(image.configDigest);
    for (const { digest, chainId } of image.layers) held.add(digest).add(chainId);
  }
  // A killed removal, or a commit that did not come to its end.
  for (const id of listImageIds(paths)) if (!held.has(`sha256:${id}`) && !readImage(paths, id)) removeImage(paths, id);
  const users = await imageUsers(engine);
  let bytes = 0;
  const lost = layers.filter((chainId) => !held.has(chainId) && !users.layers.has(layerTree(paths, chainId)));
  for (const chainId of lost) {
    bytes += readLayer(paths, chainId)?.size ?? 0;
    discard(engine, layerDirectory(paths, chainId));
  }
  for (const name of unfinishedLayers(engine)) discard(engine, `${layersDirectory(paths)}/${name}`);
  const gone = blobs.filter((digest) => !held.has(digest));
  for (const digest of gone) bytes += removeFile(blobFile(paths, digest));
  for (const file of unfinishedBlobs(engine)) bytes += removeFile(file);
  const dropped = partials.filter(({ digest }) => alsoPartial && !held.has(digest));
  for (const { file } of dropped) bytes += removeFile(file);
  return { layers: lost, blobs: gone, partial: dropped.map(({ digest }) => digest), bytes };
}

/** One rename: whoever looks sees the whole layer or none. */
function discard({ paths }: Engine, directory: string): void {
  mkdirSync(`${layersDirectory(paths)}/${TRASH}`, { recursive: true, mode: 0o700 });
  try {
    renameSync(directory, `${layersDirectory(paths)}/${TRASH}/${randomHex(8)}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // another collector was quicker
  }
}

/** Also what a killed collector left there. Files of a layer are taken away by the stage. */
function emptyTrash({ stage, paths }: Engine): void {
  const trash = `${layersDirectory(paths)}/${TRASH}`;
  const names = entries(trash);
  if (names.length === 0) return;
  const ops = names.flatMap((name) => planRemoval(`${trash}/${name}`, undefined));
  carryOut(stage.path, paths, ops);
}

/** Layers that are being written are called HEX.BOOT.PID.START or the like: those of dead processes. */
function unfinishedLayers({ paths }: Engine): string[] {
  return entries(layersDirectory(paths)).filter((name) => {
    const [, text = ""] = /^[^.]+\.(.*)$/.exec(name) ?? [];
    const claim = parseClaim(text);
    return claim !== undefined && !isHeld(claim);
  });
}

function listBlobs({ paths }: Engine): Digest[] {
  return ["sha256", "sha512"].flatMap((algorithm) =>
    entries(`${blobsDirectory(paths)}/${algorithm}`)
      .filter((name) => /^[0-9a-f]+$/.test(name))
      .map((hex) => `${algorithm}:${hex}` as Digest),
  );
}

/** Small ones that a killed command was writing; large ones are partial. */
function unfinishedBlobs({ paths }: Engine): string[] {
  return ["sha256", "sha512"].flatMap((algorithm) =>
    entries(`${blobsDirectory(paths)}/${algorithm}`)
      .filter((name) => {
        const claim = unfinishedBy(name);
        return claim !== undefined && !isHeld(claim);
      })
      .map((name) => `${blobsDirectory(paths)}/${algorithm}/${name}`),
  );
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** Bytes. */
function removeFile(file: string): number {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  rmSync(file, { force: true });
  return size;
}
