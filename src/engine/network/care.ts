/** What commands that look hard see to: no network is half removed, no address is taken by nobody, and what others have flushed from the firewall is there again, as is the resolver of names. */
import { existsSync } from "node:fs";
import { networksState } from "../../container/paths.ts";
import { VitrineError } from "../../errors.ts";
import { liveEndpoints } from "../../network/endpoints.ts";
import { sweepLeases } from "../../network/leases.ts";
import { listNetworks } from "../../network/store.ts";
import type { Engine } from "../context.ts";
import { sweepForwarding } from "./forwarding.ts";
import { finishRemovals } from "./removals.ts";
import { reviveResolver } from "./resolverstart.ts";
import { hasTable } from "./table.ts";

export async function careForNetworks(engine: Engine): Promise<void> {
  const { paths } = engine;
  try {
    await finishRemovals(engine);
  } catch (error) {
    if (!(error instanceof VitrineError)) throw error; // whoever makes or removes networks is told
  }
  if (existsSync(networksState(paths))) sweepForwarding(paths);
  await sweepLeases(paths);
  const used = listNetworks(paths).filter(
    ({ name, driver }) => driver === "bridge" && liveEndpoints(paths, name).length > 0,
  );
  const [network] = used;
  if (!network) return;
  try {
    if (!hasTable(engine)) await (await import("./up.ts")).networkUp(engine, network); // the others with it
  } catch (error) {
    if (!(error instanceof VitrineError && error.code === "NOT_FOUND")) throw error; // its container has ended, and it was removed
  }
  await reviveResolver(engine, used);
}
