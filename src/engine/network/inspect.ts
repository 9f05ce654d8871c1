import { readdirSync } from "node:fs";
import { runsDirectory } from "../../container/paths.ts";
import { liveEndpoints } from "../../network/endpoints.ts";
import type { Engine } from "../context.ts";
import { networkDocument } from "./document.ts";
import { readLease } from "./heldlease.ts";
import { isPlace } from "./linkendpoints.ts";
import { needNetwork } from "./networks.ts";

/** @throws NOT_FOUND */
export async function inspectNetwork(engine: Engine, name: string): Promise<Record<string, unknown>> {
  const network = await needNetwork(engine, name);
  const endpoints = liveEndpoints(engine.paths, network.name);
  return networkDocument(
    network,
    endpoints.map((one) => (isPlace(one.address) ? { ...one, ...leasedAddress(engine, network.name, one.run) } : one)),
  );
}

/** Of one whose address comes by DHCP. */
function leasedAddress({ paths }: Engine, network: string, run: string): { address: string; v6: string } {
  const directory = `${runsDirectory(paths)}/${run}`;
  const clients = readdirSync(directory).filter((name) => name.startsWith("dhcp-"));
  const leases = clients.map((name) => readLease(`${directory}/${name}`));
  return { address: leases.find((lease) => lease?.network === network)?.address ?? "", v6: "" };
}
