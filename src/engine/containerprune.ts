import { emit } from "../container/events.ts";
import { readConfig } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { writtenBy } from "./diskusage.ts";
import { hasLabel, type ImageFilters } from "./image/filters.ts";
import { listContainers } from "./ps.ts";
import { removeContainer } from "./rm.ts";

export interface PrunedContainers {
  readonly ids: readonly string[];
  /** Bytes that they wrote. */
  readonly reclaimed: number;
}

/** Those that were created or have ended; what another command starts or removes meanwhile is left to it. */
export async function pruneContainers(
  engine: Engine,
  { until, labels, withoutLabels }: Pick<ImageFilters, "until" | "labels" | "withoutLabels">,
): Promise<PrunedContainers> {
  const ids: string[] = [];
  let reclaimed = 0;
  for (const { id, status, created } of await listContainers(engine, true)) {
    const known = readConfig(engine.paths, id)?.annotations ?? {};
    if (status === "running" || (until !== undefined && created >= until)) continue;
    if (!labels.every((l) => hasLabel(known, l)) || withoutLabels.some((l) => hasLabel(known, l))) continue;
    const size = writtenBy(engine.paths, id);
    try {
      await removeContainer(engine, id, false);
    } catch (error) {
      if (error instanceof VitrineError && (error.code === "CONFLICT" || error.code === "NOT_FOUND")) continue;
      throw error;
    }
    ids.push(id);
    reclaimed += size;
  }
  emit(engine.paths, "container", "prune", "", { reclaimed: String(reclaimed) });
  return { ids, reclaimed };
}
