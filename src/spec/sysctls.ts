/** Kernel parameters of a container: only what belongs to a namespace of its own. See proc_sys(5), namespaces(7). */
import { invalid } from "../errors.ts";
import type { NamespaceType } from "./config.ts";
import { entriesOf, word, wrong } from "./json.ts";

/** What begins so belongs to the namespace. */
const NAMESPACED: readonly (readonly [RegExp, NamespaceType, flag: string])[] = [
  [/^net\./, "network", "--network"],
  [/^kernel\.(msg(max|mnb|mni)|sem|shm(all|max|mni)|shm_rmid_forced)$/, "ipc", "--ipc"],
  [/^fs\.mqueue\./, "ipc", "--ipc"],
];

/** Those that a bundle may set besides: its config has no other place for them. */
const OF_BUNDLES: readonly (readonly [RegExp, NamespaceType])[] = [
  [/^kernel\.domainname$/, "uts"],
  [/^user\./, "user"],
];

/** With slashes between the parts, as below /proc/sys; no part leads elsewhere. */
function isName(name: string): boolean {
  return /^[a-z0-9_-][\w.-]*(\/[\w.:-]+)+$/i.test(name) && !/(^|\/)\.\.?(\/|$)/.test(name);
}

/**
 * Of containers on networks, as docker has it: everybody in them may ping (icmp(7)), which takes no CAP_NET_RAW then, and listen on
 * every port (ip(7)): both are the container's own.
 * @param highest of its groups: the kernel takes none that the user namespace does not map
 */
export function onNetworks(highest: number): Record<string, string> {
  return {
    "net/ipv4/ping_group_range": `0 ${highest}`,
    "net/ipv4/ip_unprivileged_port_start": "0",
  };
}

/** --sysctl NAME=VALUE. @param own whether the container has a new namespace of a type */
export function parseSysctls(asked: readonly string[], own: (type: NamespaceType) => boolean): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of asked) {
    const at = text.indexOf("=");
    // With a slash in it, slashes separate and dots are part of names, as sysctl(8) has it.
    const written = at < 0 ? text : text.slice(0, at);
    const name = written.includes("/") ? written : written.replaceAll(".", "/");
    const value = text.slice(at + 1);
    if (at < 0 || !isName(name))
      throw invalid(`--sysctl "${oneLine(text)}": not of the form NAME=VALUE`, "as net.core.somaxconn=1024");
    // A line end, or what another parser takes for the end of a value, would set something else (CVE-2022-0811).
    if (/[\n\r\0+]/.test(value)) throw invalid(`--sysctl "${written}": a value of one line, without "+"`);
    const dotted = name.replaceAll("/", ".");
    const known = NAMESPACED.find(([pattern]) => pattern.test(dotted));
    if (/^kernel\.(host|domain)name$/.test(dotted))
      throw invalid(`--sysctl "${text}": a name of the container`, "use --hostname or --domainname");
    if (!known)
      throw invalid(
        `--sysctl "${written}": belongs to the whole host, not to a container`,
        "net.*, kernel.sem, kernel.msg*, kernel.shm* and fs.mqueue.* do not",
      );
    const [, type, flag] = known;
    if (!own(type))
      throw invalid(
        `--sysctl "${written}": the ${type} namespace is another's`,
        `it goes with a new one: leave ${flag} out`,
      );
    result[name] = value;
  }
  return result;
}

/**
 * linux.sysctl of a bundle. Names come back with slashes: "net/core/somaxconn".
 * @param apart whether the container is in another namespace of a type than the host
 */
export function checkSysctls(
  value: unknown,
  path: string,
  apart: (type: NamespaceType) => boolean,
): Record<string, string> | undefined {
  const written = new Map<string, string>();
  const entries = entriesOf(value, path, (item, at, key): [string, string] => {
    const name = slashed(key);
    if (!isName(name)) throw invalid(`${at}: no name of a parameter`, "as net.core.somaxconn");
    const other = written.get(name);
    if (other !== undefined) throw invalid(`${at}: is the same as ${JSON.stringify(other)}`);
    written.set(name, key);
    const dotted = name.replaceAll("/", ".");
    if (dotted === "kernel.hostname") throw invalid(`${at}: a name of the container`, "$.hostname sets it");
    const [, type] = [...NAMESPACED, ...OF_BUNDLES].find(([pattern]) => pattern.test(dotted)) ?? [];
    if (!type) throw invalid(`${at}: belongs to the whole host, not to a container`);
    if (!apart(type)) throw invalid(`${at}: the ${type} namespace is the host's`, `add {"type": "${type}"}`);
    const text = word(item, at);
    if (/[\n\r]/.test(text)) throw wrong(text, at, "a value of one line");
    return [name, text];
  });
  return entries.length > 0 ? Object.fromEntries(entries.map(([, entry]) => entry)) : undefined;
}

/** sysctl(8): the first of dot and slash separates, and the other one stands for a dot in a part, as in "net.ipv4.conf.eth0/5.mtu". */
function slashed(name: string): string {
  if (/[./]/.exec(name)?.[0] === "/") return name;
  return name.replace(/[./]/g, (sign) => (sign === "." ? "/" : "."));
}

function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}
