import type { Engine } from "./context.ts";
import { diskUsage } from "./diskusage.ts";
import type { ImageFilters } from "./image/filters.ts";
import { emptyCache } from "./image/packagecache.ts";
import { type Pruned, pruneImages } from "./image/prune.ts";
import { removeContainer } from "./rm.ts";

export interface SystemPruned extends Pruned {
  /** Ids. */
  readonly containers: readonly string[];
  /** Names of those without a name of their own. */
  readonly volumes: readonly string[];
  readonly networks: readonly string[];
}

/**
 * Containers that have ended, networks that none is on, then images that nobody uses, and fetched packages.
 * @param all also images with names @param withVolumes also volumes without a name that no container has
 */
export async function pruneSystem(
  engine: Engine,
  all: boolean,
  filters: ImageFilters,
  withVolumes: boolean,
): Promise<SystemPruned> {
  const ended = (await diskUsage(engine)).containers.filter(
    ({ container }) =>
      container.status !== "running" && (filters.until === undefined || container.created < filters.until),
  );
  for (const { container } of ended) await removeContainer(engine, container.id, false);
  const volumes = withVolumes
    ? await (await import("./volume/volumes.ts")).pruneVolumes(engine, false, () => true)
    : { names: [], reclaimed: 0 };
  const { until } = filters;
  const networks = await (await import("./network/networks.ts")).pruneNetworks(
    engine,
    ({ created }) => until === undefined || created < until,
  );
  const { removals, reclaimed } = await pruneImages(engine, all, filters);
  const written = ended.reduce((sum, { size }) => sum + size, 0);
  const packages = filters.until === undefined ? emptyCache(engine) : 0;
  return {
    containers: ended.map(({ container }) => container.id),
    volumes: volumes.names,
    networks,
    removals,
    reclaimed: reclaimed + written + packages + volumes.reclaimed,
  };
}
