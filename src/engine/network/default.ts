import { DEFAULT_NETWORK, type NetworkRecord } from "../../network/record.ts";
import { readNetwork } from "../../network/store.ts";
import type { Engine } from "../context.ts";

/** The network of those that are given none by name; made if it is not there yet. @param dry nothing is changed */
export async function defaultNetwork(engine: Engine, dry = false): Promise<NetworkRecord> {
  const { paths } = engine;
  const found = readNetwork(paths, DEFAULT_NETWORK);
  if (found) return found;
  const { foreseeDefaultNetwork, makeDefaultNetwork } = await import("../../network/create.ts");
  if (dry) return foreseeDefaultNetwork(paths);
  const { finishHidden } = await import("./removals.ts");
  return makeDefaultNetwork(paths, () => finishHidden(engine));
}
