/** Which containers need an image: those that run, and those that stay when they have ended. */
import type { ContainerRecord } from "../../container/record.ts";
import { listImageMounts } from "../../image/mounts.ts";
import type { Engine } from "../context.ts";
import { listContainers } from "../ps.ts";

export interface ImageUsers {
  /** By image id; running ones first. */
  of(id: string): readonly ContainerRecord[];
  /** Where it is mounted on the host, if it is. */
  mountOf(id: string): string | undefined;
  /** Directories of layers that containers and mounts lie on, whatever became of their images. */
  readonly layers: ReadonlySet<string>;
}

export async function imageUsers(engine: Engine): Promise<ImageUsers> {
  const containers = await listContainers(engine, true);
  const mounts = listImageMounts(engine.paths, engine.facts.boot);
  const byImage = Map.groupBy(containers, ({ imageId }) => imageId);
  const rank = ({ status }: ContainerRecord) => (status === "running" ? 0 : 1);
  return {
    of: (id) => (byImage.get(id) ?? []).toSorted((a, b) => rank(a) - rank(b)),
    mountOf: (id) => mounts.find((mount) => mount.id === id)?.target,
    layers: new Set([...containers.flatMap(({ layers }) => layers ?? []), ...mounts.flatMap(({ layers }) => layers)]),
  };
}
