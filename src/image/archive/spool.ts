/**
 * An archive, read once from front to back: its regular files are kept under numbers in a directory of the engine's own, hashed on
 * the way, and known by name in a table. Nothing of the archive ever becomes a path, and a link is an entry of that table.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { invalid } from "../../errors.ts";
import type { ArchiveFiles, StoredFile } from "./files.ts";
import { linkedName, plainName } from "./names.ts";

/** One entry of a tar archive; `content` is read before the next one is asked for. */
export interface SpoolEntry {
  readonly name: string;
  readonly type: "file" | "directory" | "symlink" | "hardlink" | "other";
  /** Where a link leads. */
  readonly link: string;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Images have a few files each; more is somebody's attempt to fill the memory. */
const MOST_ENTRIES = 20_000;
/** A link may lead to a link: docker's own archives have one step. */
const MOST_STEPS = 8;

const NO_IMAGES = "is it a root file system? vitrine import makes an image of it";

type Known = StoredFile | { readonly target: string };

/**
 * @param what as errors call it
 * @param directory of the engine's own, empty
 * @throws INVALID for names that lead out, for what is no file, directory or link, and for two files of one name
 */
export async function spool(
  entries: AsyncIterable<SpoolEntry>,
  what: string,
  directory: string,
): Promise<ArchiveFiles> {
  const table = new Map<string, Known>();
  let count = 0;
  for await (const entry of entries) {
    if (++count > MOST_ENTRIES)
      throw invalid(`${what}: has more than ${MOST_ENTRIES} entries: not an archive of images`, NO_IMAGES);
    const name = plainName(entry.name, what);
    if (entry.type === "directory") continue;
    const known = await keep(entry, name, what, `${directory}/${count}`);
    const before = table.get(name);
    if (before && !alike(before, known)) throw invalid(`${what}: has two different entries "${name}"`);
    table.set(name, known);
  }
  return { what, find: (name) => find(table, plainName(name, what), what) };
}

async function keep(entry: SpoolEntry, name: string, what: string, path: string): Promise<Known> {
  if (entry.type === "symlink") return { target: linkedName(name, entry.link, what) };
  if (entry.type === "hardlink") return { target: plainName(entry.link, what) };
  if (entry.type !== "file") throw invalid(`${what}: "${name}" is neither a file, a directory nor a link`, NO_IMAGES);
  const hash = createHash("sha256");
  const size = await writeHashed(entry.content, path, hash);
  return { path, size, digest: `sha256:${hash.digest("hex")}`, own: true };
}

/** Bytes written; on disk when this returns. */
export async function writeHashed(content: AsyncIterable<Uint8Array>, path: string, hash: Hash): Promise<number> {
  const fd = openSync(path, "wx", 0o600);
  let size = 0;
  try {
    for await (const chunk of content) {
      hash.update(chunk);
      for (let done = 0; done < chunk.length; ) done += writeSync(fd, chunk, done);
      size += chunk.length;
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return size;
}

function alike(one: Known, other: Known): boolean {
  if ("target" in one || "target" in other) return "target" in one && "target" in other && one.target === other.target;
  return one.digest === other.digest;
}

function find(table: ReadonlyMap<string, Known>, name: string, what: string): StoredFile | undefined {
  let at = name;
  for (let step = 0; step <= MOST_STEPS; step++) {
    const known = table.get(at);
    if (!known || !("target" in known)) return known;
    at = known.target;
  }
  throw invalid(`${what}: "${name}" is a link to a link, and so on`);
}
