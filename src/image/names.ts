/** Names of images: links from a whole reference to an id, replaced by rename. */
import { mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import type { Paths } from "../container/paths.ts";
import { randomHex } from "../container/random.ts";
import { invalid } from "../errors.ts";
import { syncDirectory } from "./durable.ts";
import { imageNamesDirectory } from "./paths.ts";

/** A file name has at most so many bytes on every file system of Linux. */
const LONGEST = 255;

export interface ImageName {
  /** Whole, with a tag or a digest: docker.io/library/debian:bookworm. */
  readonly name: string;
  /** Of the image: 64 hex digits. */
  readonly id: string;
}

/** Id of the image that has a name now. */
export function nameOwner(paths: Paths, name: string): string | undefined {
  try {
    return readlinkSync(fileOf(paths, name));
  } catch {
    return undefined;
  }
}

/** Sorted. */
export function listNames(paths: Paths): ImageName[] {
  let files: string[];
  try {
    files = readdirSync(imageNamesDirectory(paths));
  } catch {
    return [];
  }
  return files
    .filter((file) => !file.startsWith("."))
    .sort()
    .flatMap((file) => {
      const name = file.replaceAll("%", "/");
      const id = nameOwner(paths, name);
      return id === undefined ? [] : [{ name, id }];
    });
}

/** Takes the name from another image that may have it. */
export function nameImage(paths: Paths, name: string, id: string): void {
  const directory = imageNamesDirectory(paths);
  const file = fileOf(paths, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const half = `${directory}/.${randomHex(8)}`;
  symlinkSync(id, half);
  try {
    renameSync(half, file);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
  syncDirectory(directory);
}

export function removeName(paths: Paths, name: string): void {
  rmSync(fileOf(paths, name), { force: true });
}

/** References have no "%". */
function fileOf(paths: Paths, name: string): string {
  const file = name.replaceAll("/", "%");
  if (Buffer.byteLength(file) > LONGEST)
    throw invalid(`image name "${name}": has ${file.length} characters; the store keeps ${LONGEST} at most`);
  return `${imageNamesDirectory(paths)}/${file}`;
}
