import { carryOut } from "../container/plans.ts";
import type { NetworkRecord } from "../network/record.ts";
import { removeLink } from "../plan/linkremoval.ts";
import type { Engine } from "./context.ts";

/** What the kernel has of a network goes; nothing happens if there is nothing. Its containers are not asked: nobody is to be on it. */
export async function networkDown(engine: Engine, { driver, device }: NetworkRecord): Promise<void> {
  if (driver !== "bridge") return; // the parent is the host's own
  carryOut(engine.stage.path, engine.paths, [removeLink(device, "The bridge of a network that is removed.")]);
}
