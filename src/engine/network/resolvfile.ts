/** What the engine makes of a container's /etc/resolv.conf, by the networks that it is on and by what DHCP servers have said. */
import type { RunRecord } from "../../container/record.ts";
import type { NetworkRecord } from "../../network/record.ts";
import { type Resolving, resolvText } from "../../spec/hostsfiles.ts";
import type { RunOptions } from "../../spec/options.ts";
import { type HeldLease, readLease } from "./heldlease.ts";
import { hostResolving } from "./networking.ts";

/** By the device. */
export type Leased = ReadonlyMap<string, HeldLease>;

/** What its clients have now, in the order of the devices. */
export function leasesOf({ input }: Pick<RunRecord, "input">): Leased {
  const found = (input.networks?.endpoints ?? []).flatMap(({ name, dhcp }): [string, HeldLease][] => {
    const lease = dhcp && readLease(dhcp.directory);
    return lease ? [[name, lease]] : [];
  });
  return new Map(found);
}

/** Names on networks go before all; else name servers are those of the first DHCP server that told of some, else the host's. */
export function resolvMade(
  options: RunOptions,
  connections: readonly { readonly network: Pick<NetworkRecord, "names" | "v4"> }[],
  leased: Leased,
): string {
  const resolvers = connections.filter(({ network }) => network.names).map(({ network }) => network.v4.gateway);
  const told = [...leased.values()].find(({ servers }) => servers.length > 0);
  const resolving: Resolving =
    resolvers.length > 0 || !told ? hostResolving() : { servers: told.servers, search: told.search, options: [] };
  return resolvText(options, resolvers, resolving);
}
