import { emit } from "../container/events.ts";
import type { Paths } from "../container/paths.ts";
import type { NetworkRecord } from "./record.ts";

/** Docker's events; nothing fails if it cannot be told. */
export function networkEvent(paths: Paths, action: string, network: NetworkRecord | undefined): void {
  if (network) emit(paths, "network", action, network.id, { name: network.name, type: network.driver });
  else emit(paths, "network", action, "", { reclaimed: "0" });
}
