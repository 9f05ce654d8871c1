/** Telling of what commands do to containers and images; what a container does by itself its stage tells (src/plan/events.ts). */

import { emit } from "../container/events.ts";
import { labelsOf } from "../container/labels.ts";
import type { ContainerRecord, RunRecord } from "../container/record.ts";
import type { Engine } from "./context.ts";

type Who = Pick<ContainerRecord, "id" | "name" | "image" | "options" | "source">;

export function containerEvent(
  { paths }: Pick<Engine, "paths">,
  action: string,
  who: Who,
  more: Readonly<Record<string, string>> = {},
): void {
  emit(paths, "container", action, who.id, { ...labelsOf(who), image: who.image, name: who.name, ...more });
}

/** The same for one of which only its run is known. */
export function runEvent({ paths }: Pick<Engine, "paths">, action: string, { input: { told } }: RunRecord): void {
  if (told) emit(paths, "container", action, told.id, { ...told.attributes, name: told.name });
}

/** @param id as docker has it: the name for what comes from a registry or goes there, else sha256:… */
export function imageEvent({ paths }: Pick<Engine, "paths">, action: string, id: string, name?: string): void {
  emit(paths, "image", action, id, name === undefined ? {} : { name });
}
