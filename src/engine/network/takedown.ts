import { VitrineError } from "../../errors.ts";
import { liveEndpoints } from "../../network/endpoints.ts";
import { exclusively } from "../../network/exclusive.ts";
import { findNetwork } from "../../network/store.ts";
import type { Engine } from "../context.ts";
import { collectThoroughly } from "../gc.ts";
import { networkDown } from "./down.ts";

/** A network stays, but the kernel has nothing of it until the next container. @throws NOT_FOUND, CONFLICT if containers are on it */
export async function takeNetworkDown(engine: Engine, name: string): Promise<void> {
  await collectThoroughly(engine);
  await exclusively(engine.paths, () => {
    const network = findNetwork(engine.paths, name);
    const [user] = liveEndpoints(engine.paths, network.name);
    if (user)
      throw new VitrineError("CONFLICT", `network ${network.name}: container ${user.names[0]} is on it`, {
        hint: "stop it first; vitrine network inspect tells of all",
      });
    networkDown(engine, network);
  });
}
