/** What lies below ROOT, by kind, and how much of it could go. */
import { closeSync, constants, lstatSync, openSync, readdirSync } from "node:fs";
import { containerDirectory, type Paths } from "../container/paths.ts";
import type { ContainerRecord } from "../container/record.ts";
import { type ImageRecord, listImages } from "../image/images.ts";
import type { Engine } from "./context.ts";
import { type Named, namesById } from "./imagenames.ts";
import { imageUsers } from "./imageusers.ts";
import { type CacheUse, cacheUse } from "./packagecache.ts";
import { listContainers } from "./ps.ts";
import { blobsSize } from "./storesize.ts";

export interface ImageUsage {
  readonly image: ImageRecord;
  readonly names: readonly Named[];
  /** Bytes of layers that it has with others, and for itself. */
  readonly shared: number;
  readonly unique: number;
  readonly containers: number;
}

export interface ContainerUsage {
  readonly container: ContainerRecord;
  /** Bytes that it wrote. */
  readonly size: number;
}

export interface DiskUsage {
  readonly images: readonly ImageUsage[];
  /** Bytes of all layers of images, each once; and of those no container needs. */
  readonly layers: number;
  readonly reclaimable: number;
  readonly containers: readonly ContainerUsage[];
  /** Bytes of what came from registries, as it came: kept so that it can be handed on unchanged. */
  readonly blobs: number;
  /** Packages of distributions, for the next bootstrap. */
  readonly packages: CacheUse;
}

export async function diskUsage(engine: Engine): Promise<DiskUsage> {
  const { paths } = engine;
  const images = listImages(paths);
  const users = await imageUsers(engine);
  const names = namesById(paths);
  const count = new Map<string, number>();
  const sizes = new Map<string, number>();
  const needed = new Set<string>();
  for (const { id, layers } of images)
    for (const { chainId, size } of layers) {
      count.set(chainId, (count.get(chainId) ?? 0) + 1);
      sizes.set(chainId, size);
      if (users.of(id).length > 0) needed.add(chainId);
    }
  const sum = (entries: Iterable<[string, number]>) => [...entries].reduce((total, [, size]) => total + size, 0);
  const total = sum(sizes);
  return {
    images: images.map((image) => {
      const shared = image.layers
        .filter(({ chainId }) => (count.get(chainId) ?? 0) > 1)
        .reduce((s, l) => s + l.size, 0);
      return {
        image,
        names: names.get(image.id) ?? [],
        shared,
        unique: image.size - shared,
        containers: users.of(image.id).length,
      };
    }),
    layers: total,
    reclaimable: total - sum([...sizes].filter(([chainId]) => needed.has(chainId))),
    containers: (await listContainers(engine, true)).map((container) => ({
      container,
      size: writtenBy(paths, container.id),
    })),
    blobs: blobsSize(paths),
    packages: cacheUse(engine),
  };
}

/** Bytes. */
export function writtenBy(paths: Paths, id: string): number {
  try {
    return treeSize(`${containerDirectory(paths, id)}/upper`);
  } catch {
    return 0; // it ended while we looked
  }
}

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
