/** Images in the store: ROOT/images/sha256/ID/image.json, which is there only when all that it names is. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { Digest } from "../spec/digest.ts";
import type { ContainerDefaults, Platform } from "../spec/image.ts";
import { syncDirectory, writeDurably } from "./durable.ts";
import { nameImage, nameOwner } from "./names.ts";
import { imageFile, imagesDirectory } from "./paths.ts";
import { parseReference } from "./reference.ts";
import { wholeName } from "./registryname.ts";

export { type ImageName, listNames, nameImage, nameOwner, removeName } from "./names.ts";

export interface ImageRecord {
  /** 64 hex digits: the sha256 of its config. Docker's image id. */
  readonly id: string;
  /** Of the config: sha256:ID, or another digest of the same bytes. */
  readonly configDigest: Digest;
  /** Of the manifest that it was pulled by, or that was made for it. */
  readonly manifest: Digest;
  readonly mediaType: string;
  readonly platform: Platform;
  /** RFC 3339, as its maker says. */
  readonly created?: string;
  /** Bytes of its files, unpacked. */
  readonly size: number;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  readonly config: ContainerDefaults;
}

export interface ImageLayer {
  /** Of the blob, as it came. */
  readonly digest: Digest;
  readonly diffId: Digest;
  readonly chainId: Digest;
  /** Bytes of its files, unpacked. */
  readonly size: number;
}

const ID = /^(?:sha256:)?([0-9a-f]{64})$/;
const SOME_ID = /^(?:sha256:)?([0-9a-f]{1,64})$/;

/** Undefined if there is no such image. */
export function readImage(paths: Paths, id: string): ImageRecord | undefined {
  try {
    return JSON.parse(readFileSync(imageFile(paths, id), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new VitrineError("BROKEN_STATE", `${imageFile(paths, id)}: cannot be read: ${(error as Error).message}`, {
      hint: "remove the directory that it is in, and pull the image again",
    });
  }
}

export function listImageIds(paths: Paths): string[] {
  try {
    return readdirSync(imagesDirectory(paths)).filter((name) => ID.test(name));
  } catch {
    return [];
  }
}

export function listImages(paths: Paths): ImageRecord[] {
  return listImageIds(paths).flatMap((id) => readImage(paths, id) ?? []);
}

/**
 * By name, by id, or by the unambiguous beginning of an id; a name goes before.
 * Undefined if there is none. @throws INVALID if the beginning is that of several
 */
export function lookUpImage(paths: Paths, text: string): ImageRecord | undefined {
  const whole = ID.exec(text)?.[1];
  if (whole !== undefined) return readImage(paths, whole);
  const name = nameOf(text);
  const owner = name === undefined ? undefined : nameOwner(paths, name);
  if (owner !== undefined) return readImage(paths, owner);
  const beginning = SOME_ID.exec(text)?.[1];
  if (beginning === undefined) return undefined;
  const ids = listImageIds(paths).filter((id) => id.startsWith(beginning));
  if (ids.length > 1)
    throw invalid(
      `image "${text}" is the beginning of ${ids.length} ids`,
      "write more of it: vitrine images --no-trunc",
    );
  return ids[0] === undefined ? undefined : readImage(paths, ids[0]);
}

/** The same. @throws NOT_FOUND if there is none */
export function findImage(paths: Paths, text: string): ImageRecord {
  const image = lookUpImage(paths, text);
  if (image) return image;
  throw new VitrineError("NOT_FOUND", `no image "${text}" in the store`, {
    hint: `vitrine images lists them; vitrine pull ${text} gets it`,
  });
}

/** The name under which the store knows what a user wrote; undefined if it cannot be one. With a digest, the tag says nothing. */
export function nameOf(text: string): string | undefined {
  try {
    const reference = parseReference(text);
    if (reference.kind !== "registry") return undefined;
    const { tag, ...byDigest } = reference;
    return wholeName(reference.digest === undefined ? reference : byDigest);
  } catch {
    return undefined;
  }
}

/** Milliseconds since 1970; 0 if its maker does not say. */
export function createdAt({ created }: ImageRecord): number {
  const time = created === undefined ? 0 : Date.parse(created);
  return Number.isNaN(time) ? 0 : time;
}

/** Makes an image visible: all that it consists of has to be on disk. @param names whole ones; taken from other images */
export function commitImage(paths: Paths, record: ImageRecord, names: readonly string[]): void {
  writeDurably(imageFile(paths, record.id), JSON.stringify(record));
  for (const name of names) nameImage(paths, name, record.id);
}

/** Its blobs and layers stay until they are collected, its names until they are removed. */
export function removeImage(paths: Paths, id: string): void {
  rmSync(imageFile(paths, id), { force: true });
  rmSync(`${imagesDirectory(paths)}/${id}`, { recursive: true, force: true });
  try {
    syncDirectory(imagesDirectory(paths));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
