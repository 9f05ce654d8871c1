/** `export`: a container's own files, as a tar. */
import { containerDirectory } from "../container/paths.ts";
import type { ContainerRecord } from "../container/record.ts";
import { VitrineError } from "../errors.ts";
import { packDirectory } from "../image/layer/pack.ts";
import { emptyLayer, makeEmptyLayer } from "../image/mounts.ts";
import { planLayers } from "../plan/imagemount.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { findContainer } from "./find.ts";

/**
 * Layers and what the container wrote, as one; volumes are not part of it, and ids are those that it sees.
 * @throws NOT_FOUND, UNSUPPORTED for a container whose root file system is a directory of the host
 */
export async function exportContainer(engine: Engine, nameOrId: string): Promise<AsyncIterable<Uint8Array>> {
  const { paths, facts } = engine;
  const container = await findContainer(engine, nameOrId);
  containerEvent(engine, "export", container);
  makeEmptyLayer(paths);
  const made = planLayers(
    [`${containerDirectory(paths, container.id)}/upper`, ...layersOf(container)],
    emptyLayer(paths),
    facts,
  );
  return packDirectory(engine, `container ${container.name}`, { overlay: false, made });
}

function layersOf({ name, image, layers }: ContainerRecord): readonly string[] {
  if (layers) return layers;
  throw new VitrineError(
    "UNSUPPORTED",
    `container ${name}: its root file system is a directory of the host: ${image}`,
    {
      hint: "tar packs that directory",
    },
  );
}
