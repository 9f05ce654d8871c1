import type { Paths } from "../container/paths.ts";
import { DEFAULT_NETWORK, type NetworkRecord } from "./record.ts";
import { readNetwork } from "./store.ts";

/** The network of those that are given none by name; made if it is not there yet. @param dry nothing is changed */
export async function defaultNetwork({ paths }: { readonly paths: Paths }, dry = false): Promise<NetworkRecord> {
  const found = readNetwork(paths, DEFAULT_NETWORK);
  if (found) return found;
  const { foreseeDefaultNetwork, makeDefaultNetwork } = await import("./create.ts");
  return dry ? foreseeDefaultNetwork(paths) : makeDefaultNetwork(paths);
}
