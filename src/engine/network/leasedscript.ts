/** What the hook of a script's DHCP client may write in the container's files: as leasedfiles.ts has it. */
import type { LeasedFiles } from "../../plan/network/kept.ts";
import type { RunInput } from "../../plan/run.ts";
import { namesOf } from "../../spec/hostsfiles.ts";
import type { RunOptions } from "../../spec/options.ts";
import type { RequestedNetworks } from "./networking.ts";

/** Undefined if no address comes by DHCP. */
export function leasedFiles(
  { networks }: RequestedNetworks,
  options: RunOptions,
  { directory, files = [], config }: Pick<RunInput, "directory" | "files" | "config">,
): LeasedFiles {
  const path = (name: string) => (files.some((file) => file.name === name) ? `${directory}/${name}` : undefined);
  const { dns = [], dnsSearch = [], dnsOptions = [] } = options;
  const search = dnsSearch.filter((domain) => domain !== ".");
  return {
    hosts: path("hosts"),
    resolv: networks.some(({ record }) => record.names) ? undefined : path("resolv.conf"),
    names: namesOf(config.hostname ?? ""),
    servers: dns.map((server) => `nameserver ${server}`).join("\n"),
    search: dnsSearch.length === 0 ? "" : search.length > 0 ? `search ${search.join(" ")}` : "none",
    options: dnsOptions.length > 0 ? `options ${dnsOptions.join(" ")}` : "",
  };
}
