/** What commands that look hard see to: no address is taken by nobody, and what others have flushed from the firewall is there again, as is the resolver of names. */
import { carryOut } from "../container/plans.ts";
import { liveEndpoints } from "../network/endpoints.ts";
import { sweepLeases } from "../network/leases.ts";
import { listNetworks } from "../network/store.ts";
import { lookForTable } from "../plan/endpoint.ts";
import type { Engine } from "./context.ts";
import { tableOf } from "./networking.ts";
import { reviveResolver } from "./resolverstart.ts";

export async function careForNetworks(engine: Engine): Promise<void> {
  const { paths } = engine;
  await sweepLeases(paths);
  const used = listNetworks(paths).filter(
    ({ name, driver }) => driver === "bridge" && liveEndpoints(paths, name).length > 0,
  );
  const [network] = used;
  if (!network) return;
  if (!isThere(engine)) (await import("./networkup.ts")).networkUp(engine, network); // the others with it
  await reviveResolver(engine, used);
}

function isThere({ paths, stage }: Engine): boolean {
  const { op, found } = lookForTable(tableOf(paths));
  const { report, numberOf } = carryOut(stage.path, paths, [op]);
  return report.records[numberOf(found)]?.state === "done";
}
