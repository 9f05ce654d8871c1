import { containerOf, type Endpoint } from "../../network/endpoints.ts";
import type { NetworkRecord, Subnet } from "../../network/record.ts";
import { addressWithin } from "../../spec/subnet.ts";

/** All that is known of a network, in docker's words. @param endpoints of containers that run; without addresses where those are not known yet */
export function networkDocument(network: NetworkRecord, endpoints: readonly Endpoint[]): Record<string, unknown> {
  const { name, id, created, driver, device, v4, v6, internal, labels, options } = network;
  const own = driver === "bridge" ? { "com.docker.network.bridge.name": device } : {};
  return {
    Name: name,
    Id: id,
    Created: new Date(created).toISOString(),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: v6 !== undefined,
    IPAM: { Driver: "default", Options: null, Config: [v4, ...(v6 ? [v6] : [])].map(configOf) },
    Internal: internal,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: Object.fromEntries(endpoints.map((one) => [containerOf(one), endpointDocument(network, one)])),
    Options: { ...options, ...own },
    Labels: labels,
  };
}

const configOf = ({ subnet, gateway, range }: Subnet) => ({
  Subnet: subnet,
  ...(range === undefined ? {} : { IPRange: range }),
  Gateway: gateway,
});

function endpointDocument({ id, v4, v6 }: NetworkRecord, { run, names, mac, address, v6: chosen }: Endpoint) {
  return {
    Name: names[0] ?? "",
    EndpointID: new Bun.CryptoHasher("sha256").update(`${id} ${run}`).digest("hex"),
    MacAddress: mac,
    IPv4Address: address === "" ? "" : `${address}/${bitsOf(v4)}`,
    IPv6Address: v6 && chosen !== "" ? `${chosen ?? addressWithin(v6.subnet, address)}/${bitsOf(v6)}` : "",
  };
}

const bitsOf = ({ subnet }: Subnet) => subnet.slice(subnet.indexOf("/") + 1);
