/** What a container's /etc/hosts, /etc/hostname and /etc/resolv.conf are, where they are not the image's. */
import { ADDRESS_WIDTH, type Identity } from "../../container/identity.ts";
import { SHORT_ID_LENGTH } from "../../container/template.ts";
import type { EtcFile } from "../../spec/generate.ts";
import { HOST_GATEWAY, hostsText, readResolvConf, resolvText } from "../../spec/hostsfiles.ts";
import type { RunOptions } from "../../spec/options.ts";
import { asksResolver, type Request } from "../request.ts";
import { sixOf } from "./endpoint.ts";
import type { EtcMode } from "./etcmode.ts";

type Files = Readonly<Partial<Record<EtcFile, string>>>;

export interface Etc {
  /** Texts of those that are made for it. */
  readonly made: Files;
  /** Where others' lie that it gets. */
  readonly shared: Files;
  /** Inside, if nothing else is asked for and it is not the short id. */
  readonly hostname?: string | undefined;
}

/** Each is made if it is not to stay the image's. */
type Making = Readonly<Partial<Record<EtcFile, () => string>>>;

/** Where a name has no other address: Debian's, for the host's own. */
const OWN = "127.0.1.1";

export function etcOf(request: Request, identity: Identity): Etc {
  const { options, networks, etc } = request;
  const makes = (making: Making): Files =>
    Object.fromEntries(Object.entries(chosen(options, making)).map(([name, make]) => [name, make()]));
  if (networks) return { made: makes(onNetworks(request, networks, identity)), shared: {} };
  if (!etc) return { made: {}, shared: {} };
  if (etc.kind === "apart") return { made: makes(apart(request, etc, identity)), shared: {} };
  const { hostname } = etc;
  if (etc.kind === "host") return { made: makes(ofHost(request, etc)), shared: {}, hostname };
  if (options.hostname === undefined) return { made: {}, shared: chosen(options, etc.files), hostname };
  const { hostname: _, ...files } = etc.files;
  return { made: makes({ hostname: () => `${options.hostname}\n` }), shared: chosen(options, files), hostname };
}

/** But those that are to stay the image's. */
function chosen<T>({ noHosts, noHostname, dns }: RunOptions, files: Readonly<Partial<Record<EtcFile, T>>>) {
  const left = { hosts: noHosts, hostname: noHostname, "resolv.conf": dns?.includes("none") };
  return Object.fromEntries(Object.entries(files).filter(([name]) => !left[name as EtcFile])) as typeof files;
}

function onNetworks(
  { options, again }: Request,
  networks: NonNullable<Request["networks"]>,
  identity: Identity,
): Making {
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
    hosts: () => hostsText({ addHosts }, hostname, [...addresses, ...others], gateway),
    hostname: () => `${hostname}\n`,
    "resolv.conf": () => resolvText(options, resolvers, networks.resolving),
  };
}

/** Its own name has an address by the host's file, if it is the host's. */
function ofHost({ options }: Request, etc: Extract<EtcMode, { kind: "host" }>): Making {
  const hostname = options.hostname ?? etc.hostname;
  const own = hostname === etc.hostname ? [] : [OWN];
  return {
    hosts: () => hostsText(options, hostname, own, "127.0.0.1", etc.hosts),
    hostname: () => `${hostname}\n`,
    "resolv.conf": () =>
      asksResolver(options) ? resolvText(options, [], readResolvConf(etc.resolv), { local: true }) : etc.resolv,
  };
}

/** Without a network only what was asked for: the rest is the image's. */
function apart(
  { options }: Request,
  { made, resolving }: Extract<EtcMode, { kind: "apart" }>,
  identity: Identity,
): Making {
  const hostname = options.hostname ?? identity.id.slice(0, SHORT_ID_LENGTH);
  const hosts = () => hostsText(options, hostname, [OWN], undefined);
  const resolv = () => resolvText(options, [], resolving);
  return {
    ...(made || options.addHosts?.length ? { hosts } : {}),
    ...(made ? { hostname: () => `${hostname}\n` } : {}),
    ...(made || asksResolver(options) ? { "resolv.conf": resolv } : {}),
  };
}
