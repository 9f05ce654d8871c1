/** What every command of the OCI runtime starts from. */
import type { Paths } from "../container/paths.ts";
import { type Engine, openEngine } from "../engine/context.ts";

export interface Runtime {
  /** Its state directory is below ours: runs of this runtime are told from the engine's. */
  readonly engine: Engine;
  /** Directory that holds one directory a container. */
  readonly root: string;
  /** Arguments that lead another process of ours to the same places and the same log. */
  readonly global: readonly string[];
}

/** @param global see Runtime */
export async function openRuntime(paths: Paths, root: string, global: readonly string[]): Promise<Runtime> {
  const engine = await openEngine(paths);
  return { engine: { ...engine, paths: { root: paths.root, state: runsBelow(root) } }, root, global };
}

/** Environment of a command of ours that the stage starts: it has the same places. */
export function environmentOfOurs(): string[] {
  return ["VITRINE_ROOT", "VITRINE_STATE"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

/** "@" is in no container's id. */
const runsBelow = (root: string) => `${root}/@`;

export const containerPath = (runtime: Runtime, id: string) => `${runtime.root}/${id}`;
