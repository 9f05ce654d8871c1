/** `run oci:DIR` and `run docker-archive:FILE`: taken into the store by content, without a name; the second time they are there. */
import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { shortHash } from "../../container/hash.ts";
import type { Paths } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import { filesOfDirectory } from "../../image/archive/directory.ts";
import { chooseImage, readArchive } from "../../image/archive/read.ts";
import { writeDurably } from "../../image/durable.ts";
import { stampOf } from "../../image/hostindex.ts";
import { type ImageRecord, readImage } from "../../image/images.ts";
import { hexOf } from "../../image/paths.ts";
import type { Reference } from "../../image/reference.ts";
import type { Platform } from "../../spec/image.ts";
import { hostPlatform, parsePlatform } from "../../spec/platform.ts";
import type { Engine } from "../context.ts";
import { loadImages } from "./load.ts";

export type ArchiveReference = Reference & { readonly kind: "oci" | "docker-archive" };

/**
 * @param asked a platform as users write it; this machine's if not given
 * @param dry only if it is in the store already
 * @throws NOT_FOUND, INVALID: also if there are several images and none was chosen
 */
export async function imageOfArchive(
  engine: Engine,
  reference: ArchiveReference,
  asked: string | undefined,
  dry: boolean,
): Promise<ImageRecord> {
  const host = hostPlatform(process.arch);
  const platform = asked === undefined ? host : parsePlatform(asked, host);
  const take: Take = dry ? refuse : (from, which) => load(engine, from, which, platform);
  return reference.kind === "oci"
    ? ofLayout(engine, resolve(reference.directory), reference.reference, platform, take)
    : ofArchive(engine, resolve(reference.file), reference.reference, platform, take);
}

/** Gets it into the store. */
type Take = (from: string, which: string | undefined) => Promise<ImageRecord>;

function refuse(from: string): never {
  throw new VitrineError(
    "NOT_FOUND",
    `the image of "${from}" is not in the store yet, and nothing is changed to explain`,
    {
      hint: `vitrine load -i ${from} takes it in`,
    },
  );
}

/** An index is small: it is read each time, and tells whether the image is in the store. */
async function ofLayout(
  engine: Engine,
  directory: string,
  which: string | undefined,
  platform: Platform,
  take: Take,
): Promise<ImageRecord> {
  const files = filesOfDirectory(directory, `oci:${directory}`);
  const image = chooseImage(readArchive(files, platform), which, files.what);
  return readImage(engine.paths, hexOf(image.manifest.config.digest)) ?? take(directory, which);
}

interface Known {
  readonly key: string;
  /** Changes when the file does. */
  readonly stamp: string;
  /** Of the image. */
  readonly id: string;
}

const knownFile = (p: Paths, key: string) => `${p.root}/images/archives/${shortHash(key)}.json`;

/** To read an archive takes long: what it held is noted, as long as the file stays as it is. */
async function ofArchive(
  engine: Engine,
  file: string,
  which: string | undefined,
  platform: Platform,
  take: Take,
): Promise<ImageRecord> {
  const stat = statSync(file, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `docker-archive:${file}: no such file`);
  const { paths } = engine;
  const key = JSON.stringify([file, which ?? null, platform]);
  const stamp = stampOf(file) ?? "";
  const known = readKnown(paths, key);
  const there = known?.stamp === stamp ? readImage(paths, known.id) : undefined;
  if (there) return there;
  const image = await take(file, which);
  writeDurably(knownFile(paths, key), JSON.stringify({ key, stamp, id: image.id } satisfies Known));
  return image;
}

function readKnown(paths: Paths, key: string): Known | undefined {
  try {
    const known: Known = JSON.parse(readFileSync(knownFile(paths, key), "utf8"));
    return known.key === key ? known : undefined;
  } catch {
    return undefined;
  }
}

async function load(engine: Engine, from: string, which: string | undefined, platform: Platform): Promise<ImageRecord> {
  const choose: Parameters<typeof loadImages>[1]["choose"] = (images, what) => [chooseImage(images, which, what)];
  const [loaded] = await loadImages(engine, { from, platform, choose, nameless: true });
  if (!loaded) throw new Error(`${from}: no image was loaded`);
  return loaded.image;
}
