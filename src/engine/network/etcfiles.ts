/** What a container's /etc/hosts, /etc/hostname and /etc/resolv.conf are, where the engine makes them. */
import { ADDRESS_WIDTH, type Identity } from "../../container/identity.ts";
import { SHORT_ID_LENGTH } from "../../container/template.ts";
import type { EtcFile } from "../../spec/generate.ts";
import { HOST_GATEWAY, hostsText, resolvText } from "../../spec/hostsfiles.ts";
import type { Request } from "../request.ts";
import { sixOf } from "./endpoint.ts";

/** Of a container on networks; another has those of its image. */
export function etcFiles({ options, networks, again }: Request, identity: Identity): Partial<Record<EtcFile, string>> {
  if (!networks) return {};
  const hostname = options.hostname ?? identity.id.slice(0, SHORT_ID_LENGTH);
  const addresses = networks.networks.flatMap(({ record, choice }, i) => {
    if (choice.dhcp) return []; // its client's hook adds it
    const address = (identity.addresses?.[i] ?? "").padEnd(ADDRESS_WIDTH); // a column: see container/template.ts
    return [address, ...(record.v6 ? [choice.ip6 ?? sixOf(record.v6.subnet, address)] : [])];
  });
  const others = (networks.links ?? []).flatMap(({ v4, v6 }) => [v4, v6].flatMap((one) => (one ? [one.address] : [])));
  const gateway = networks.networks.find(({ record }) => !record.internal)?.record.v4.gateway;
  // It may have been disconnected from the network whose gateway that was.
  const addHosts = options.addHosts?.filter((text) => !again || gateway !== undefined || !text.endsWith(HOST_GATEWAY));
  const resolvers = networks.networks.filter(({ record }) => record.names).map(({ record }) => record.v4.gateway);
  return {
    ...(options.noHosts ? {} : { hosts: hostsText({ addHosts }, hostname, [...addresses, ...others], gateway) }),
    ...(options.noHostname ? {} : { hostname: `${hostname}\n` }),
    ...(options.dns?.includes("none") ? {} : { "resolv.conf": resolvText(options, resolvers, networks.resolving) }),
  };
}
