import { carryOut } from "../../container/plans.ts";
import { hasDevice } from "../../network/hostroutes.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { listNetworks } from "../../network/store.ts";
import { planBridgeDown } from "../../plan/network/bridge.ts";
import type { Engine } from "../context.ts";
import { passOthersNoMore } from "./foreignrules.ts";
import { hasTable } from "./table.ts";
import { bridgeHost, guarded, networkLock } from "./up.ts";

/** What the kernel has of a network goes; nothing happens if there is nothing. Its containers are not asked: nobody is to be on it. */
export function networkDown(engine: Engine, network: NetworkRecord): void {
  const { paths, stage } = engine;
  if (network.driver !== "bridge") return; // the parent is the host's own
  // A command that was killed may have left its part of the firewall alone.
  if (!hasDevice(network.device) && !hasTable(engine)) return;
  const others = listNetworks(paths).filter(({ id, driver }) => id !== network.id && driver === "bridge");
  const host = bridgeHost(paths);
  const passed = passOthersNoMore(host, network.device);
  carryOut(stage.path, paths, planBridgeDown(guarded(network), host, networkLock(paths), others.map(guarded), passed));
}
