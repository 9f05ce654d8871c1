/** Packages and indexes of mirrors that were fetched: they can be fetched again. */
import { readdirSync, rmSync, statSync } from "node:fs";
import { isMarkAlive } from "../../container/process.ts";
import { markIn } from "../../image/bootstrap/download.ts";
import { packagesCache } from "../../image/paths.ts";
import type { Engine } from "../context.ts";

export interface CacheUse {
  readonly files: number;
  /** Bytes. */
  readonly size: number;
}

export function cacheUse({ paths }: Pick<Engine, "paths">): CacheUse {
  const directory = `${packagesCache(paths)}/sha256`;
  const names = namesIn(directory);
  const sizes = names.map((name) => statSync(`${directory}/${name}`, { throwIfNoEntry: false })?.size ?? 0);
  return { files: names.length, size: sizes.reduce((sum, size) => sum + size, 0) };
}

/** Bytes that are free now: none as long as a bootstrap is at work, which may be about to read any of them. */
export function emptyCache(engine: Pick<Engine, "paths">): number {
  const directory = packagesCache(engine.paths);
  const busy = namesIn(`${directory}/partial`).some((name) => isMarkAlive(markIn(name)));
  if (busy) return 0;
  const { size } = cacheUse(engine);
  rmSync(`${directory}/sha256`, { recursive: true, force: true });
  return size;
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // nobody has made an image from a mirror yet
  }
}
