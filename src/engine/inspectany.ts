/** What a name means, of the kinds of things that have one. */
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";

type Inspect = (engine: Engine, name: string, size: boolean) => Promise<Record<string, unknown>>;

/** In the order in which they are looked for. */
const INSPECTORS: Readonly<Record<string, Inspect>> = {
  container: async (engine, name, size) => (await import("./inspect.ts")).inspectContainer(engine, name, size),
  volume: async (engine, name) => {
    const [{ findVolume }, { volumeDocument }] = await Promise.all([
      import("./volume/volumes.ts"),
      import("./volume/document.ts"),
    ]);
    return volumeDocument(findVolume(engine, name));
  },
  network: async (engine, name) => (await import("./network/inspect.ts")).inspectNetwork(engine, name),
  image: async (engine, name) => (await import("./image/inspect.ts")).inspectImage(engine, name),
};

export const KINDS: readonly string[] = Object.keys(INSPECTORS);

/** @param kind "": whatever has the name @throws NOT_FOUND */
export async function inspectAny(
  engine: Engine,
  name: string,
  kind: string,
  size: boolean,
): Promise<Record<string, unknown>> {
  const only = INSPECTORS[kind];
  if (only) return only(engine, name, size);
  for (const inspect of Object.values(INSPECTORS))
    try {
      return await inspect(engine, name, size);
    } catch (error) {
      // "INVALID" is also said of what cannot be a name of that kind; of the beginning of several ids it is the answer.
      if (!(error instanceof VitrineError) || /is the beginning of/.test(error.message)) throw error;
      if (error.code !== "NOT_FOUND" && error.code !== "INVALID") throw error;
    }
  throw new VitrineError("NOT_FOUND", `nothing is called "${name}"`, {
    hint: "vitrine ps -a and vitrine images list what there is",
  });
}
