import { carryOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { liveEndpoints } from "../network/endpoints.ts";
import { hasDevice } from "../network/hostroutes.ts";
import type { NetworkRecord } from "../network/record.ts";
import { findNetwork, listNetworks } from "../network/store.ts";
import { planBridgeDown } from "../plan/bridge.ts";
import type { Engine } from "./context.ts";
import { passOthersNoMore } from "./foreignrules.ts";
import { collectThoroughly } from "./gc.ts";
import { bridgeHost, guarded, networkLock } from "./networkup.ts";

/** What the kernel has of a network goes; nothing happens if there is nothing. Its containers are not asked: nobody is to be on it. */
export async function networkDown({ paths, stage }: Engine, network: NetworkRecord): Promise<void> {
  if (network.driver !== "bridge") return; // the parent is the host's own
  const isUp = ({ driver, device }: NetworkRecord) => driver === "bridge" && hasDevice(device);
  if (!isUp(network)) return;
  const last = !listNetworks(paths).some((other) => other.name !== network.name && isUp(other));
  const host = bridgeHost(paths);
  const ops = planBridgeDown(guarded(network), host, networkLock(paths), last);
  carryOut(stage.path, paths, [...ops, ...passOthersNoMore(host, network.device)]);
}

/** The same for one that stays. @throws CONFLICT if containers are on it */
export async function takeNetworkDown(engine: Engine, name: string): Promise<void> {
  const network = findNetwork(engine.paths, name);
  await collectThoroughly(engine);
  const [user] = liveEndpoints(engine.paths, network.name);
  if (user)
    throw new VitrineError("CONFLICT", `network ${network.name}: container ${user.names[0]} is on it`, {
      hint: "stop it first; vitrine network inspect tells of all",
    });
  await networkDown(engine, network);
}
