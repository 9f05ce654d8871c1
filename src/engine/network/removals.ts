/** Removals of networks that were killed: whoever makes or removes one next finishes them first, and so do commands that look hard. */
import { closeLeases } from "../../network/endpoints.ts";
import { networkEvent } from "../../network/event.ts";
import { exclusively } from "../../network/exclusive.ts";
import { dropHidden, hasHalves, listHidden, listNetworks, showNetwork } from "../../network/store.ts";
import type { Engine } from "../context.ts";
import { networkDown } from "./down.ts";

/** Nothing happens if there are none. */
export async function finishRemovals(engine: Engine): Promise<void> {
  if (hasHalves(engine.paths)) await exclusively(engine.paths, () => finishHidden(engine));
}

/** The same by whoever has the turn (`exclusively`). */
export async function finishHidden(engine: Engine): Promise<void> {
  const { paths } = engine;
  for (const network of listHidden(paths)) {
    const replaced = listNetworks(paths).some(({ name }) => name === network.name);
    if (!replaced && !closeLeases(paths, network.name)) {
      showNetwork(paths, network); // a container had just started on it
      continue;
    }
    networkDown(engine, network);
    dropHidden(paths, network);
    networkEvent(paths, "destroy", network);
  }
}
