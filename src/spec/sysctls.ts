/** --sysctl NAME=VALUE: only what belongs to a namespace of the container. See proc_sys(5), namespaces(7). */
import { invalid } from "../errors.ts";
import type { NamespaceType } from "./config.ts";

/** What begins so belongs to the namespace. */
const NAMESPACED: readonly (readonly [RegExp, NamespaceType, flag: string])[] = [
  [/^net\./, "network", "--network"],
  [/^kernel\.(msg(max|mnb|mni)|sem|shm(all|max|mni)|shm_rmid_forced)$/, "ipc", "--ipc"],
  [/^fs\.mqueue\./, "ipc", "--ipc"],
];

/** @param own whether the container has a new namespace of a type */
export function parseSysctls(asked: readonly string[], own: (type: NamespaceType) => boolean): Record<string, string> {
  const result: Record<string, string> = {};
  for (const text of asked) {
    const at = text.indexOf("=");
    // With a slash in it, slashes separate and dots are part of names, as sysctl(8) has it.
    const written = at < 0 ? text : text.slice(0, at);
    const name = written.includes("/") ? written : written.replaceAll(".", "/");
    const value = text.slice(at + 1);
    if (at < 0 || !/^[a-z0-9_-][\w.-]*(\/[\w.:-]+)+$/i.test(name) || /(^|\/)\.\.?(\/|$)/.test(name))
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

function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, "?");
}
