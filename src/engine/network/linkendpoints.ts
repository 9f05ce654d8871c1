/** Devices that a run is given besides networks, in words for the planner. */
import { hostDevice } from "../../container/devicename.ts";
import type { Identity } from "../../container/identity.ts";
import type { Endpoint } from "../../plan/network/endpoint.ts";
import type { LinkChoice } from "../../spec/linkchoice.ts";

/**
 * Stands for the address of an endpoint that has none yet: a MAC address is made of it, the same for each start of the container.
 * @param i number of the endpoint
 */
export function addressStandsFor({ id }: Pick<Identity, "id">, i: number): string {
  const [first = 0, ...others] = Buffer.from(id.slice(8 * (i % 8), 8 * (i % 8) + 8), "hex");
  return [240 + (first % 15), ...others].join("."); // 240.0.0.0/4 has no hosts
}

/** The end on the host. @param asked "ve-" and "vb-" have the container's name behind them @param i number of the endpoint */
export function hostEnd(asked: string | undefined, { name, link }: Identity, i: number): string {
  if (asked === "ve-" || asked === "vb-") return hostDevice(asked === "ve-" ? "ve" : "vb", name);
  return asked ?? `veth${link}${i === 0 ? "" : i}`;
}

/** Whether it stands for an address, and is none. */
export const isPlace = (address: string) => Number(address.split(".")[0]) >= 240;

/** @param place what stands for its address @param i its number, networks counted */
export function linkEndpoint(
  { name, kind, host, mode, v4, v6, mac, device, wasUp, hostDevice }: LinkChoice,
  place: string,
  i: number,
  identity: Identity,
): Endpoint {
  return {
    network: name,
    kind,
    bridge: host,
    port: hostEnd(hostDevice ?? (kind === "port" ? "vb-" : "ve-"), identity, i),
    name: device ?? `eth${i}`,
    id: identity.id,
    ...(mode === undefined ? {} : { mode }),
    ...(v4 ? { v4 } : {}),
    ...(v6 ? { v6 } : {}),
    ...(mac === undefined ? {} : { mac }),
    ...(wasUp === undefined ? {} : { wasUp }),
    ...(v4 ? {} : { macFrom: place }),
  };
}
