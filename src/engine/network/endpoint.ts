/** Endpoints of a container in the planner's words. */
import { leasesDirectory, type Paths } from "../../container/paths.ts";
import type { NetworkRecord } from "../../network/record.ts";
import type { EndpointAddress, NetworkEndpoint } from "../../plan/network/endpoint.ts";

type Network = Pick<
  NetworkRecord,
  "name" | "device" | "driver" | "mode" | "v4" | "v6" | "internal" | "mtu" | "gsoMaxSize"
>;

/** What makes one container's endpoint. */
export interface Own extends Pick<NetworkEndpoint, "port" | "name" | "id"> {
  readonly address: string;
  /** If it is not made of the IPv4 address. */
  readonly address6?: string | undefined;
  readonly mac?: string | undefined;
}

/** @param ways whether default routes go this way */
export function endpointOn(
  paths: Paths,
  network: Network,
  own: Own,
  ways: { v4: boolean; v6: boolean },
): NetworkEndpoint {
  const { v4, v6, device, name, mtu, gsoMaxSize, driver, mode = "bridge", internal } = network;
  const { address, address6, mac } = own;
  return {
    network: name,
    bridge: device,
    ...(driver === "macvlan" ? { mode } : {}),
    port: own.port,
    name: own.name,
    v4: placed(address, v4, ways.v4),
    ...(v6 ? { v6: placed(address6 ?? sixOf(v6.subnet, address), v6, ways.v6) } : {}),
    ...(mac === undefined ? {} : { mac }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(gsoMaxSize === undefined ? {} : { gsoMaxSize }),
    ...(internal ? { internal } : {}),
    lease: `${leasesDirectory(paths, name)}/${address}`,
    id: own.id,
  };
}

/** Another device leads out. */
export const NO_WAY = { v4: -1, v6: -1 };

/** By which of several networks default routes go: the first that leads out, of IPv6 the first that has it and does. */
export function waysOut(networks: readonly { readonly internal: boolean; readonly v6?: unknown }[]): {
  v4: number;
  v6: number;
} {
  return {
    v4: networks.findIndex(({ internal }) => !internal),
    v6: networks.findIndex(({ internal, v6 }) => !internal && v6 !== undefined),
  };
}

const placed = (address: string, { subnet, gateway }: NetworkRecord["v4"], way: boolean): EndpointAddress => ({
  address,
  subnet,
  ...(way ? { gateway } : {}),
});

/** "fd12:3456:789a:1::/64", "10.91.0.2" → "fd12:3456:789a:1::10.91.0.2" */
export const sixOf = (subnet: string, address: string) => subnet.replace(/\/\d+$/, "") + address;
