/** What a container's /etc/hosts, /etc/hostname and /etc/resolv.conf are, where they are not the image's. */
import { ADDRESS_WIDTH, type Identity } from "../../container/identity.ts";
import { SHORT_ID_LENGTH } from "../../container/template.ts";
import type { EtcFile } from "../../spec/generate.ts";
import { HOST_GATEWAY, hostsText, readResolvConf, resolvText } from "../../spec/hostsfiles.ts";
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

const NOTHING: Etc = { made: {}, shared: {} };
/** Where a name has no other address: Debian's, for the host's own. */
const OWN = "127.0.1.1";

export function etcOf(request: Request, identity: Identity): Etc {
  const { options, networks, etc } = request;
  if (networks) return { ...NOTHING, made: chosen(request, onNetworks(request, networks, identity)) };
  if (!etc) return NOTHING;
  if (etc.kind === "apart") return { ...NOTHING, made: chosen(request, apart(request, etc, identity)) };
  const { hostname } = etc;
  const own = options.hostname === undefined ? {} : { hostname: `${options.hostname}\n` };
  if (etc.kind === "host") return { ...NOTHING, made: chosen(request, ofHost(request, etc)), hostname };
  return { made: chosen(request, own), shared: chosen(request, { ...etc.files, ...own }, own), hostname };
}

/** But those that are to stay the image's. */
function chosen({ options }: Request, files: Files, not: Files = {}): Files {
  const left = {
    hosts: options.noHosts,
    hostname: options.noHostname,
    "resolv.conf": options.dns?.includes("none") ?? false,
  };
  return Object.fromEntries(
    Object.entries(files).filter(([name]) => !left[name as EtcFile] && not[name as EtcFile] === undefined),
  );
}

function onNetworks({ options, again }: Request, networks: NonNullable<Request["networks"]>, identity: Identity) {
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
    hosts: options.noHosts ? "" : hostsText({ addHosts }, hostname, [...addresses, ...others], gateway),
    hostname: `${hostname}\n`,
    "resolv.conf": options.dns?.includes("none") ? "" : resolvText(options, resolvers, networks.resolving),
  };
}

/** Its own name has an address by the host's file, if it is the host's. */
function ofHost({ options }: Request, etc: Extract<EtcMode, { kind: "host" }>): Files {
  const { addHosts } = options;
  const hostname = options.hostname ?? etc.hostname;
  const own = hostname === etc.hostname ? [] : [OWN];
  return {
    hosts: hostsText({ addHosts }, hostname, own, "127.0.0.1", etc.hosts),
    hostname: `${hostname}\n`,
    "resolv.conf": asksResolver(options)
      ? resolvText(options, [], readResolvConf(etc.resolv), { local: true })
      : etc.resolv,
  };
}

/** Without a network only what was asked for: the rest is the image's. */
function apart({ options }: Request, { made, resolving }: Extract<EtcMode, { kind: "apart" }>, identity: Identity) {
  const hostname = options.hostname ?? identity.id.slice(0, SHORT_ID_LENGTH);
  return {
    ...(made || options.addHosts?.length ? { hosts: hostsText(options, hostname, [OWN], undefined) } : {}),
    ...(made ? { hostname: `${hostname}\n` } : {}),
    ...(made || asksResolver(options) ? { "resolv.conf": resolvText(options, [], resolving) } : {}),
  };
}
