import { mkdirSync } from "node:fs";
import { networksDirectory, type Paths } from "../container/paths.ts";
import { dropHalves } from "./store.ts";
import { inTurn } from "./turn.ts";

/** Nobody else makes or removes networks meanwhile. @throws CONFLICT if somebody is at it for too long */
export function exclusively<T>(paths: Paths, act: () => T | Promise<T>): Promise<T> {
  mkdirSync(networksDirectory(paths), { recursive: true, mode: 0o700 });
  return inTurn(networksDirectory(paths), "making or removing a network", () => {
    dropHalves(paths);
    return act();
  });
}
