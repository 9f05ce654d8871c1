/** Containers that have to run before another does (--requires). */
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { findContainer } from "./find.ts";
import { startContainer } from "./start.ts";

/** Their ids: names may change. @throws INVALID, NOT_FOUND */
export async function resolveRequired(engine: Engine, names: readonly string[]): Promise<string[]> {
  const ids = new Set<string>();
  for (const name of names.flatMap((text) => text.split(",")))
    try {
      ids.add((await findContainer(engine, name)).id);
    } catch (error) {
      throw toldOf(error, `--requires "${name}"`);
    }
  return [...ids];
}

/** The same; they run when this returns, unless they have ended by then. */
export async function startRequired(engine: Engine, names: readonly string[]): Promise<string[]> {
  const ids = await resolveRequired(engine, names);
  for (const id of ids)
    try {
      await startContainer(engine, id);
    } catch (error) {
      throw toldOf(error, `--requires ${id.slice(0, 12)}`);
    }
  return ids;
}

function toldOf(error: unknown, what: string): unknown {
  if (!(error instanceof VitrineError)) return error;
  return new VitrineError(error.code, `${what}: ${error.message}`, { hint: error.hint });
}
