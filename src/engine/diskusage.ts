/** What lies below ROOT, by kind, and how much of it could go. */
import { containerDirectory, type Paths } from "../container/paths.ts";
import type { ContainerRecord } from "../container/record.ts";
import { type ImageRecord, listImages } from "../image/images.ts";
import type { Engine } from "./context.ts";
import { type Named, namesById } from "./image/names.ts";
import { type CacheUse, cacheUse } from "./image/packagecache.ts";
import { blobsSize } from "./image/storesize.ts";
import { imageUsers } from "./image/users.ts";
import { listContainers } from "./ps.ts";
import { treeSize } from "./treesize.ts";
import type { Volume } from "./volume/store.ts";
import { usersOfVolumes } from "./volume/users.ts";
import { listVolumes } from "./volume/volumes.ts";

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

export interface VolumeUsage {
  readonly volume: Volume;
  /** Bytes of its files; 0 if it lies elsewhere. */
  readonly size: number;
  /** Containers that have it. */
  readonly users: number;
}

export interface DiskUsage {
  readonly images: readonly ImageUsage[];
  /** Bytes of all layers of images, each once; and of those no container needs. */
  readonly layers: number;
  readonly reclaimable: number;
  readonly containers: readonly ContainerUsage[];
  readonly volumes: readonly VolumeUsage[];
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
    volumes: await volumeUsage(engine),
    blobs: blobsSize(paths),
    packages: cacheUse(engine),
  };
}

async function volumeUsage(engine: Engine): Promise<VolumeUsage[]> {
  const users = await usersOfVolumes(engine);
  return listVolumes(engine).map((volume) => ({
    volume,
    size: volume.options.device === undefined ? sizeOf(volume.mountpoint) : 0,
    users: users.get(volume.mountpoint)?.length ?? 0,
  }));
}

function sizeOf(directory: string): number {
  try {
    return treeSize(directory);
  } catch {
    return 0; // it was removed while we looked
  }
}

/** Bytes. */
export function writtenBy(paths: Paths, id: string): number {
  return sizeOf(`${containerDirectory(paths, id)}/upper`);
}
