/** Which host images are assembled, and whether their programs are still those that were copied. */
import { readFileSync, statSync } from "node:fs";
import { shortHash } from "../container/hash.ts";
import { hostImagesDirectory, type Paths } from "../container/paths.ts";
import type { ImageSource } from "./source.ts";

export interface HostIndex {
  readonly programs: readonly string[];
  readonly tree: string;
  readonly stamps: readonly { readonly path: string; readonly stamp: string }[];
}

/** Undefined if it was never assembled, or a file of it has changed since. */
export function knownHostImage(paths: Paths, programs: readonly string[]): ImageSource | undefined {
  let index: HostIndex;
  try {
    index = JSON.parse(readFileSync(indexFile(paths, programs), "utf8"));
  } catch {
    return undefined;
  }
  const tree = `${hostImagesDirectory(paths)}/${index.tree}`;
  const same =
    index.programs.join() === programs.join() && index.stamps.every(({ path, stamp }) => stampOf(path) === stamp);
  return same && statSync(tree, { throwIfNoEntry: false })?.isDirectory() ? hostImageSource(tree, programs) : undefined;
}

export function hostImageSource(tree: string, programs: readonly string[]): ImageSource {
  const [first = ""] = programs;
  return { layers: [tree], config: { command: [first.slice(first.lastIndexOf("/") + 1)], env: [] } };
}

export function indexFile(paths: Paths, programs: readonly string[]): string {
  return `${hostImagesDirectory(paths)}/${fileName(programs)}.json`;
}

/** Changes when the file does. */
export function stampOf(path: string): string | undefined {
  const s = statSync(path, { throwIfNoEntry: false });
  return s && `${s.dev}:${s.ino}:${s.size}:${s.mtimeMs}:${s.mode}`;
}

/** Tells lists of programs apart; the index itself has the list. */
export function fileName(programs: readonly string[]): string {
  return shortHash(programs.join("\0"));
}
