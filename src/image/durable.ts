/** Files that outlive a power cut: on disk first, then under their name, whole or not at all. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Claim, formatClaim, ownClaim, parseClaim } from "./claim.ts";

/** Replaces a file, or makes it and the directories above it (0700). */
export function writeDurably(file: string, content: string | Uint8Array): void {
  const half = `${file}.${formatClaim(ownClaim())}.new`; // see unfinishedBy
  makeDirectory(dirname(file));
  try {
    writeFileSync(half, content, { mode: 0o600, flush: true });
    renameSync(half, file);
  } catch (error) {
    rmSync(half, { force: true });
    throw error;
  }
  syncDirectory(dirname(file));
}

/** Whose half-written file has this name. A kill leaves it: what collects the others' takes it, once nobody holds it. */
export function unfinishedBy(name: string): Claim | undefined {
  const [, text = ""] = /^[^.]+\.(.*)\.new$/.exec(name) ?? [];
  return parseClaim(text);
}

/** With those above it. One that was made is on disk, in the directory above it, when this returns. */
export function makeDirectory(directory: string): void {
  const first = mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = dirname(made)) syncDirectory(dirname(made));
}

/** Names in it are on disk when this returns. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
