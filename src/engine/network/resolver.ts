import { isReady, relyOn } from "../../network/resolver/place.ts";
import type { Named, Place } from "./resolverstart.ts";

/**
 * Names of a network are answered at its gateway's addresses when this resolves: by a process for all networks of a store, which is started
 * if it is not there. Nothing happens for a network without names, or whose bridge is not up yet: whoever sets it up comes again.
 * @throws UNAVAILABLE
 */
export async function ensureResolver(place: Place, network: Named): Promise<void> {
  if (!network.names) return;
  relyOn(place.paths); // before it is looked whether it is there
  if (!isReady(place.paths, network)) await (await import("./resolverstart.ts")).startResolver(place, network);
}
