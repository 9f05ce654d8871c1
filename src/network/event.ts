import { emit } from "../container/events.ts";
import type { Paths } from "../container/paths.ts";
import type { NetworkRecord } from "./record.ts";

/** Docker's events; nothing fails if it cannot be told. @param container that comes or goes */
export function networkEvent(
  paths: Paths,
  action: string,
  network: Pick<NetworkRecord, "id" | "name" | "driver"> | undefined,
  container?: string,
): void {
  const who = container === undefined ? {} : { container };
  if (network) emit(paths, "network", action, network.id, { ...who, name: network.name, type: network.driver });
  else emit(paths, "network", action, "", { reclaimed: "0" });
}
