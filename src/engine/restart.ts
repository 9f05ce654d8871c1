import { readRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { findContainer } from "./find.ts";
import { startContainer } from "./start.ts";
import { stopContainer } from "./stop.ts";

/** Returns the name as it was given. @throws UNSUPPORTED for one that goes when it ends */
export async function restartContainer(
  engine: Engine,
  nameOrId: string,
  asked: { seconds?: number | undefined; signal?: number | undefined },
): Promise<string> {
  const container = await findContainer(engine, nameOrId);
  const { id, name } = container;
  if (readRecord(engine.paths, id)?.options?.rm !== false)
    throw new VitrineError("UNSUPPORTED", `container ${name} is removed when it ends, and cannot be started again`, {
      hint: "run it without --rm",
    });
  await stopContainer(engine, id, asked);
  await startContainer(engine, id);
  containerEvent(engine, "restart", container);
  return nameOrId;
}
