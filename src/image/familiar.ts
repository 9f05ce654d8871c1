/** Names of an image as docker shows them, without what is understood. */
import type { Paths } from "../container/paths.ts";
import { listNames } from "./images.ts";
import { familiarName, parseRegistryName } from "./registryname.ts";

/** Sorted; empty for an image that nobody has named. */
export function familiarNames(paths: Paths, id: string): string[] {
  return listNames(paths)
    .filter((name) => name.id === id)
    .map(({ name }) => familiarName(parseRegistryName(name)));
}
