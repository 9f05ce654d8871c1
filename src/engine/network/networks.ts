/** Networks: made, listed, taken away. */

import { VitrineError } from "../../errors.ts";
import { createNetwork } from "../../network/create.ts";
import { closeLeases, liveEndpoints } from "../../network/endpoints.ts";
import { networkEvent } from "../../network/event.ts";
import { exclusively } from "../../network/exclusive.ts";
import { DEFAULT_NETWORK, type NetworkRecord } from "../../network/record.ts";
import { dropHidden, findNetwork, hideNetwork, listNetworks, showNetwork } from "../../network/store.ts";
import type { NetworkAsked } from "../../spec/network.ts";
import type { Engine } from "../context.ts";
import { collect } from "../gc.ts";
import { defaultNetwork } from "./default.ts";
import { networkDown } from "./down.ts";
import { finishHidden, finishRemovals } from "./removals.ts";

export async function makeNetwork(engine: Engine, asked: NetworkAsked): Promise<NetworkRecord> {
  await collect(engine);
  return createNetwork(engine.paths, asked, () => finishHidden(engine));
}

/** By name; the default network is one of them. */
export async function allNetworks(engine: Engine): Promise<NetworkRecord[]> {
  await defaultNetwork(engine);
  return listNetworks(engine.paths);
}

/** By name or the beginning of an id. @throws NOT_FOUND */
export async function needNetwork(engine: Engine, text: string): Promise<NetworkRecord> {
  return text === DEFAULT_NETWORK ? defaultNetwork(engine) : findNetwork(engine.paths, text);
}

/** @throws NOT_FOUND; CONFLICT while containers that run are on it */
export async function removeNetwork(engine: Engine, text: string): Promise<NetworkRecord> {
  const { paths } = engine;
  await collect(engine);
  return exclusively(paths, async () => {
    await finishHidden(engine);
    const network = findNetwork(paths, text);
    const [user] = liveEndpoints(paths, network.name);
    if (user) throw inUse(network, user.names[0] ?? user.run.slice(0, 12));
    hideNetwork(paths, network);
    try {
      if (!closeLeases(paths, network.name)) throw inUse(network, "a container that has just started");
      networkDown(engine, network);
    } catch (error) {
      showNetwork(paths, network);
      throw error;
    }
    dropHidden(paths, network);
    networkEvent(paths, "destroy", network);
    return network;
  });
}

function inUse({ name }: NetworkRecord, user: string): VitrineError {
  return new VitrineError("CONFLICT", `network ${name} is in use: ${user}`, {
    hint: "vitrine stop it first; vitrine network inspect lists who is on a network",
  });
}

/** Those that no container which runs is on; the default network stays. Returns their names. */
export async function pruneNetworks(engine: Engine, wanted: (network: NetworkRecord) => boolean): Promise<string[]> {
  const names: string[] = [];
  await collect(engine);
  await finishRemovals(engine);
  for (const network of listNetworks(engine.paths)) {
    if (network.name === DEFAULT_NETWORK || !wanted(network)) continue;
    try {
      await removeNetwork(engine, network.name);
    } catch (error) {
      if (error instanceof VitrineError && (error.code === "CONFLICT" || error.code === "NOT_FOUND")) continue;
      throw error;
    }
    names.push(network.name);
  }
  networkEvent(engine.paths, "prune", undefined);
  return names;
}
