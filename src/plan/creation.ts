/** A container that is not run yet: room for what it will write, and then its name. */
import { writeCidFile } from "./cidfile.ts";
import type { Op } from "./plan.ts";
import { claimName, makeScratch, type RootSource } from "./rootfs.ts";

/** Its own directory is there. With its name the container is. */
export function planCreation(root: RootSource, nameFile: string, id: string, cidfile?: string): Op[] {
  const directory = root.kind === "overlay" ? (root.scratch ?? "") : "";
  const written = cidfile === undefined ? [] : [writeCidFile(cidfile, id).op];
  return [...makeScratch(root, directory, false), claimName(nameFile, id, false), ...written];
}
