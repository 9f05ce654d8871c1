/** What a container without networks of the engine has in /etc: whose it is depends on whose network it is in. */
import { hostname } from "node:os";
import { invalid } from "../../errors.ts";
import type { EtcFile } from "../../spec/generate.ts";
import { type Resolving, readResolvConf } from "../../spec/hostsfiles.ts";
import type { RunOptions } from "../../spec/options.ts";
import type { Live } from "../live.ts";
import { hostFile, hostResolving } from "./networking.ts";

export type EtcMode =
  /** The host's network: what its files say, and its name. */
  | { readonly kind: "host"; readonly hostname: string; readonly hosts: string; readonly resolv: string }
  /** Another container's network: the same files, which tell of its later changes, too; and its name. */
  | {
      readonly kind: "shared";
      readonly hostname: string | undefined;
      readonly files: Readonly<Partial<Record<EtcFile, string>>>;
    }
  /** None, or one that somebody else has made. */
  | { readonly kind: "apart"; readonly made: boolean; readonly resolving: Resolving };

/** @param other whose network it is in @throws INVALID */
export function etcModeOf(options: RunOptions, other: Live | undefined): EtcMode {
  const { network } = options;
  if (network === "host")
    return { kind: "host", hostname: hostname(), hosts: hostFile("/etc/hosts"), resolv: hostFile("/etc/resolv.conf") };
  if (other) return shared(options, other);
  const [, netns] = /^ns:(?:\/var)?\/run\/netns\/([^/]+)$/.exec(network) ?? [];
  const own = netns === undefined ? "" : hostFile(`/etc/netns/${netns}/resolv.conf`); // ip-netns(8)
  const resolving = own === "" ? hostResolving() : readResolvConf(own);
  return { kind: "apart", made: network !== "none", resolving };
}

function shared(options: RunOptions, other: Live): EtcMode {
  const { addHosts = [], dns = [], dnsSearch = [], dnsOptions = [] } = options;
  const given = { "--add-host": addHosts, "--dns": dns, "--dns-search": dnsSearch, "--dns-option": dnsOptions };
  for (const [flag, [first]] of Object.entries(given))
    if (first !== undefined && first !== "none")
      throw invalid(
        `${flag} ${first}: with --network ${options.network} the files in /etc are that container's`,
        "give it to that one",
      );
  const { config } = other.record.input;
  const files = Object.fromEntries(
    (config.mounts ?? []).flatMap(({ destination, source, type }) => {
      const [, name] = /^\/etc\/(hosts|hostname|resolv\.conf)$/.exec(destination) ?? [];
      return name !== undefined && type === "bind" && source !== undefined ? [[name, source]] : [];
    }),
  );
  return { kind: "shared", hostname: config.hostname, files };
}
