/** Which containers have which volumes mounted, or will have when they start. */
import { readConfig } from "../../container/store.ts";
import type { Engine } from "../context.ts";
import { listAll } from "../ps.ts";

/** By the directory of its files: names of containers. */
export async function usersOfVolumes(engine: Engine): Promise<Map<string, string[]>> {
  const users = new Map<string, string[]>();
  for (const { container, record } of await listAll(engine, true)) {
    const config = record?.input.config ?? readConfig(engine.paths, container.id);
    for (const { source } of config?.mounts ?? [])
      if (source !== undefined) users.set(source, [...(users.get(source) ?? []), container.name]);
  }
  return users;
}
