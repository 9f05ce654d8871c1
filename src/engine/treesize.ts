import { closeSync, constants, lstatSync, openSync, readdirSync } from "node:fs";

/** Bytes of the files in it. A container may change it meanwhile: links are not followed, whatever stands there now. */
export function treeSize(path: string): number {
  const handle = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const here = `/proc/self/fd/${handle}`;
    let size = 0;
    for (const entry of readdirSync(here, { withFileTypes: true }))
      try {
        const inner = `${here}/${entry.name}`;
        if (entry.isDirectory()) size += treeSize(inner);
        else if (entry.isFile()) size += lstatSync(inner).size;
      } catch {
        // Gone, or something else now.
      }
    return size;
  } finally {
    closeSync(handle);
  }
}
