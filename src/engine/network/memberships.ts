/** Where containers that run are on networks now: as they were started, and as `network connect` and `disconnect` have left them. */
import { leasesDirectory, type Paths } from "../../container/paths.ts";
import type { RunRecord } from "../../container/record.ts";
import { nameOf, type Run } from "../../container/runs.ts";
import { type Endpoint as Lease, listEndpoints } from "../../network/endpoints.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { listNetworks } from "../../network/store.ts";
import type { Endpoint, NetworkEndpoint } from "../../plan/network/endpoint.ts";
import { endpointOn, type Own, waysOut } from "./endpoint.ts";

export interface Connection {
  readonly network: NetworkRecord;
  readonly lease: Lease;
  readonly endpoint: NetworkEndpoint;
}

/** Who has addresses on networks, by the name of the run. */
export type Leases = ReadonlyMap<string, readonly Pick<Connection, "network" | "lease">[]>;

export function allLeases(paths: Paths): Leases {
  const found = new Map<string, Pick<Connection, "network" | "lease">[]>();
  for (const network of listNetworks(paths))
    for (const lease of listEndpoints(paths, network.name)) {
      const others = found.get(lease.run);
      if (others) others.push({ network, lease });
      else found.set(lease.run, [{ network, lease }]);
    }
  return found;
}

/** In the order in which it came to them: the default route, and published ports, are of the first that can have them. */
export function connectionsOf(
  paths: Paths,
  run: Pick<Run, "directory">,
  { input, identity }: Pick<RunRecord, "input" | "identity">,
  leases: Leases = allLeases(paths),
): Connection[] {
  const started = input.networks?.endpoints ?? [];
  const name = nameOf(run);
  const all = (leases.get(name) ?? []).flatMap(({ network, lease }) => {
    const { later, address, v6, mac } = lease;
    const at = started.findIndex((one) => one.lease === `${leasesDirectory(paths, network.name)}/${address}`);
    const devices = later ?? started[at];
    if (!devices) return [];
    const own = { port: devices.port, name: devices.name, id: identity.id, address, address6: v6, mac };
    return [{ order: later?.order ?? at, network, lease, own, client: later ? undefined : started[at] }];
  });
  all.sort((a, b) => a.order - b.order);
  return withWays(paths, all);
}

interface Placed extends Pick<Connection, "network" | "lease"> {
  readonly own: Own;
  /** Of one whose address may be another's to give. */
  readonly client?: Pick<Endpoint, "dhcp" | "macFrom"> | undefined;
}

/** With the default routes of those that are there; a DHCP client sees to its own. */
export function withWays(paths: Paths, all: readonly Placed[]): Connection[] {
  const ways = waysOut(all.map(({ network, client }) => (client?.dhcp ? { internal: true } : network)));
  return all.map(({ network, lease, own, client }, i) => {
    const endpoint = endpointOn(paths, network, own, { v4: i === ways.v4, v6: i === ways.v6 });
    const { dhcp, macFrom } = client ?? {};
    return { network, lease, endpoint: dhcp ? { ...endpoint, v6: undefined, dhcp, macFrom } : endpoint };
  });
}
