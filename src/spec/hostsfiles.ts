/** /etc/hosts, /etc/hostname and /etc/resolv.conf of a container, as text: hosts(5), resolv.conf(5). */
import { invalid } from "../errors.ts";
import { ipBytes } from "../linux/ip.ts";
import type { RunOptions } from "./options.ts";

const LOCAL = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export const HOST_GATEWAY = "host-gateway";

/** As they stand behind an address. */
export function namesOf(hostname: string): string {
  const short = hostname.split(".")[0];
  return short === hostname ? hostname : `${hostname} ${short}`;
}

/** @param addresses its own @param gateway what "host-gateway" stands for @param first what the file begins with */
export function hostsText(
  { addHosts = [] }: Pick<RunOptions, "addHosts">,
  hostname: string,
  addresses: readonly string[],
  gateway: string | undefined,
  first = LOCAL,
): string {
  const names = namesOf(hostname);
  const extra = addHosts.flatMap((text) => {
    const { names: theirs, address } = parseAddHost(text);
    if (address === HOST_GATEWAY && gateway === undefined)
      throw invalid(`--add-host "${text}": there is no network with a gateway`, "--network NAME, or an address");
    return theirs.map((name) => `${address === HOST_GATEWAY ? gateway : address}\t${name}\n`);
  });
  const begin = first === "" || first.endsWith("\n") ? first : `${first}\n`;
  return begin + extra.join("") + addresses.map((address) => `${address}\t${names}\n`).join("");
}

/** "NAME:ADDRESS" or "NAME=ADDRESS"; several names with ";" between them (podman). */
function parseAddHost(text: string): { names: string[]; address: string } {
  const [, list = "", address = ""] = /^([^:=]+)[:=](.+)$/.exec(text) ?? [];
  const names = list.split(";");
  const bare = address.replace(/^\[(.*)\]$/, "$1");
  const wrong = (why: string) => invalid(`--add-host "${text}": ${why}`, "NAME:ADDRESS");
  if (names.some((name) => !/^[A-Za-z0-9_.-]{1,253}$/.test(name))) throw wrong("no host name");
  if (bare !== HOST_GATEWAY && !isAddress(bare)) throw wrong(`"${bare}" is no address`);
  return { names, address: bare };
}

/** What the host's own resolv.conf says. */
export interface Resolving {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

export function readResolvConf(text: string): Resolving {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  const last = (word: string) => lines.findLast(([first]) => first === word)?.slice(1) ?? [];
  return {
    servers: lines.flatMap(([word, server = ""]) => (word === "nameserver" && isAddress(server) ? [server] : [])),
    search: last("search"),
    options: last("options"),
  };
}

/** Of no use where there is another loopback device. */
export const isLocalServer = (server: string) => /^(127\.|::1$|0\.0\.0\.0$|::$)/.test(server);

/** @param resolver of its networks, where containers find each other by name @param local its loopback device is the host's */
export function resolvText(
  { dns = [], dnsSearch = [], dnsOptions = [] }: Pick<RunOptions, "dns" | "dnsSearch" | "dnsOptions">,
  resolver: readonly string[],
  host: Resolving,
  { local }: { readonly local: boolean } = { local: false },
): string {
  const wrong = dns.find((server) => !isAddress(server));
  if (wrong !== undefined) throw invalid(`--dns "${wrong}": not an address`);
  const given = dns.length > 0 ? dns : host.servers.filter((server) => local || !isLocalServer(server));
  const servers = resolver.length > 0 ? resolver : given;
  const search = dnsSearch.length > 0 ? dnsSearch.filter((domain) => domain !== ".") : host.search;
  // Names of containers have no dot, and are asked for as they are, not with the host's domains first: as docker has it.
  const own = resolver.length > 0 ? ["ndots:0", ...host.options.filter((o) => !o.startsWith("ndots:"))] : host.options;
  const options = dnsOptions.length > 0 ? dnsOptions : own;
  return [
    ...servers.map((server) => `nameserver ${server}\n`),
    ...(search.length > 0 ? [`search ${search.join(" ")}\n`] : []),
    ...(options.length > 0 ? [`options ${options.join(" ")}\n`] : []),
  ].join("");
}

function isAddress(text: string): boolean {
  try {
    return ipBytes(text.split("%")[0] ?? "").length > 0;
  } catch {
    return false;
  }
}

/**
 * /etc/hosts of a container whose own addresses are other ones now; other lines are whoever's, and stay.
 * @param before its addresses so far
 */
export function hostsAfter(
  text: string,
  hostname: string,
  before: readonly string[],
  after: readonly string[],
): string {
  const gone = before.filter((address) => !after.includes(address));
  const kept = text.split(/(?<=\n)/).filter((line) => !gone.includes(addressIn(line)));
  const there = kept.map(addressIn);
  const come = after.filter((address) => !before.includes(address) && !there.includes(address));
  const names = namesOf(hostname);
  const rest = kept.join("");
  const end = rest === "" || rest.endsWith("\n") || come.length === 0 ? "" : "\n";
  return rest + end + come.map((address) => `${address}\t${names}\n`).join("");
}

const addressIn = (line: string) => line.trim().split(/\s/)[0] ?? "";
