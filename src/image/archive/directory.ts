/** The files of a directory that somebody else owns, as an archive's: no links, nothing outside. */
import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import { invalid, VitrineError } from "../../errors.ts";
import type { ArchiveFiles, StoredFile } from "./files.ts";
import { plainName } from "./names.ts";

/** @throws NOT_FOUND, or INVALID if it is no directory */
export function filesOfDirectory(directory: string, what: string): ArchiveFiles {
  const top = resolve(directory);
  const stat = lstatSync(`${top}/`, { throwIfNoEntry: false });
  if (!stat) throw new VitrineError("NOT_FOUND", `${what}: no such directory`);
  if (!stat.isDirectory()) throw invalid(`${what}: not a directory`);
  return { what, find: (name) => find(top, name, what) };
}

function find(top: string, name: string, what: string): StoredFile | undefined {
  const parts = plainName(name, what).split("/");
  let path = top;
  for (const [i, part] of parts.entries()) {
    path += `/${part}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) return undefined;
    const last = i === parts.length - 1;
    if (last ? !stat.isFile() : !stat.isDirectory())
      throw invalid(`${what}: ${name}: "${path}" is not ${last ? "a regular file" : "a directory"}`);
    if (last) return { path, size: stat.size, own: false };
  }
  return undefined;
}
