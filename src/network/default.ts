import type { Paths } from "../container/paths.ts";
import { DEFAULT_NETWORK, type NetworkRecord } from "./record.ts";
import { readNetwork } from "./store.ts";

/** The network of those that are given none by name; made if it is not there yet. */
export async function defaultNetwork({ paths }: { readonly paths: Paths }): Promise<NetworkRecord> {
  return readNetwork(paths, DEFAULT_NETWORK) ?? (await import("./create.ts")).makeDefaultNetwork(paths);
}
