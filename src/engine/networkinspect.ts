import { liveEndpoints } from "../network/endpoints.ts";
import type { Engine } from "./context.ts";
import { networkDocument } from "./networkdocument.ts";
import { needNetwork } from "./networks.ts";

/** @throws NOT_FOUND */
export async function inspectNetwork(engine: Engine, name: string): Promise<Record<string, unknown>> {
  const network = await needNetwork(engine, name);
  return networkDocument(network, liveEndpoints(engine.paths, network.name));
}
