/** What is known of containers' health: STATE/health/ID, of their last runs. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import type { ContainerRecord } from "../container/record.ts";
import { type Health, healthCheckOf, STARTING } from "../spec/health.ts";
import type { Engine } from "./context.ts";

/** Undefined: this container is not checked. */
export function healthOf(
  engine: Pick<Engine, "paths">,
  { id, lastRun, options, source }: ContainerRecord,
): Health | undefined {
  if (!options || !source || !healthCheckOf(options, source.config.healthcheck)) return undefined;
  return readHealth(engine, id, lastRun);
}

export interface Noted extends Health {
  /** See tokenOf. */
  readonly run: string;
}

export const directoryOf = ({ paths }: Pick<Engine, "paths">, id: string) => `${paths.state}/health/${id}`;

export function readHealth(engine: Pick<Engine, "paths">, id: string, run: string | undefined): Health {
  try {
    const noted: Noted = JSON.parse(readFileSync(`${directoryOf(engine, id)}/health.json`, "utf8"));
    return run === undefined || noted.run === run ? noted : STARTING;
  } catch {
    return STARTING;
  }
}

/** Of containers that are not there any more. */
export function sweepHealth(engine: Pick<Engine, "paths">, isThere: (id: string) => boolean): void {
  let ids: string[];
  try {
    ids = readdirSync(`${engine.paths.state}/health`);
  } catch {
    return;
  }
  for (const id of ids) if (!isThere(id)) rmSync(directoryOf(engine, id), { recursive: true, force: true });
}
