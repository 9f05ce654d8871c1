/** Room for what is being read: ROOT/incoming/CLAIM.N. It goes when the reader is done; what a killed one left goes with the next. */
import { readdirSync, rmSync } from "node:fs";
import type { Paths } from "../../container/paths.ts";
import { formatClaim, isHeld, ownClaim, parseClaim } from "../claim.ts";
import { makeDirectory } from "../durable.ts";

export const incomingDirectory = (p: Paths) => `${p.root}/incoming`;

let count = 0;

/** @param use is given an empty directory on the same file system as the blobs */
export async function withIncoming<T>(paths: Paths, use: (directory: string) => Promise<T>): Promise<T> {
  dropAbandoned(paths);
  const directory = `${incomingDirectory(paths)}/${formatClaim(ownClaim())}.${++count}`;
  makeDirectory(directory);
  try {
    return await use(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function dropAbandoned(paths: Paths): void {
  const above = incomingDirectory(paths);
  let names: string[];
  try {
    names = readdirSync(above);
  } catch {
    return; // nobody has read anything yet
  }
  for (const name of names) {
    const claim = parseClaim(name.replace(/\.\d+$/, ""));
    if (!claim || !isHeld(claim)) rmSync(`${above}/${name}`, { recursive: true, force: true });
  }
}
