/** Where the host's own apt gets packages: /etc/apt/sources.list and sources.list.d, see sources.list(5). */
import { globSync, readFileSync } from "node:fs";
import { type Paragraph, parseParagraphs, words } from "./deb822.ts";

export interface AptSource {
  /** http://deb.debian.org/debian, without a slash at the end. */
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  /** Files, or a key in the file itself. */
  readonly signedBy: readonly string[];
}

/** Sources of another kind of the host's configuration (`deb-src`, disabled, flat) are left out. */
export function hostSources(etc = "/etc/apt"): AptSource[] {
  const found: AptSource[] = [];
  for (const file of [`${etc}/sources.list`, ...globSync(`${etc}/sources.list.d/*.{list,sources}`).sort()]) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      continue; // there is none, or it is not ours to read
    }
    try {
      found.push(...(file.endsWith(".sources") ? fromParagraphs(text, file) : fromLines(text)));
    } catch {
      // A file that apt itself would stumble over: its mirrors are not offered.
    }
  }
  return found;
}

export function fromParagraphs(text: string, file: string): AptSource[] {
  return parseParagraphs(text, file).flatMap((paragraph: Paragraph) => {
    if (!words(paragraph, "types").includes("deb") || paragraph.get("enabled")?.toLowerCase() === "no") return [];
    const signed = paragraph.get("signed-by") ?? "";
    const signedBy = signed.includes("-----BEGIN") ? [inlineKey(signed)] : words(paragraph, "signed-by");
    return words(paragraph, "uris").flatMap((url) =>
      words(paragraph, "suites").flatMap((suite) =>
        suite.endsWith("/") ? [] : { url: trimmed(url), suite, components: words(paragraph, "components"), signedBy },
      ),
    );
  });
}

export function fromLines(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => fromLine(line) ?? []);
}

/** "deb [signed-by=/key.gpg] http://… bookworm main"; undefined for anything else. */
export function fromLine(line: string): AptSource | undefined {
  const [, options = "", url, suite, rest] =
    /^\s*deb\s+(?:\[([^\]]*)\]\s*)?([a-z+-]+:\S+)\s+([^\s/]\S*[^\s/]|[^\s/])\s+([^#]+)/.exec(line) ?? [];
  if (url === undefined || suite === undefined || rest === undefined) return undefined;
  const signedBy = /(?:^|\s)signed-by=(\S+)/i.exec(options)?.[1]?.split(",") ?? [];
  return { url: trimmed(url), suite, components: rest.trim().split(/\s+/), signedBy };
}

/** An empty line of the key is written as " .". */
function inlineKey(text: string): string {
  return text
    .split("\n")
    .map((line) => (line.trim() === "." ? "" : line.trim()))
    .join("\n");
}

export function trimmed(url: string): string {
  return url.replace(/\/+$/, "");
}

export interface AptConfig {
  /** By scheme, and by "scheme::host": "DIRECT" for none. */
  readonly proxies: ReadonlyMap<string, string>;
  /** Whether apt itself looks at Valid-Until. */
  readonly checkValidUntil: boolean;
}

/** @param dump output of `apt-config dump` */
export function parseAptConfig(dump: string): AptConfig {
  const proxies = new Map<string, string>();
  let checkValidUntil = true;
  for (const line of dump.split("\n")) {
    const [, key = "", value = ""] = /^(\S+) "(.*)";$/.exec(line) ?? [];
    const [, scheme, host] = /^Acquire::(https?)::Proxy(?:::(.+))?$/i.exec(key) ?? [];
    if (scheme && value !== "") proxies.set(host ? `${scheme.toLowerCase()}::${host}` : scheme.toLowerCase(), value);
    if (/^Acquire::Check-Valid-Until$/i.test(key)) checkValidUntil = !/^(no|false|without|off|disable|0)$/i.test(value);
  }
  return { proxies, checkValidUntil };
}

/** The proxy for a URL: apt's, else that of the environment; undefined: none. */
export function proxyFor(url: string, config: AptConfig, environment: Readonly<Record<string, string | undefined>>) {
  const { protocol, hostname } = new URL(url);
  const scheme = protocol.slice(0, -1);
  const chosen =
    config.proxies.get(`${scheme}::${hostname}`) ??
    config.proxies.get(scheme) ??
    environment[`${scheme}_proxy`] ??
    environment[`${scheme.toUpperCase()}_PROXY`] ??
    environment.all_proxy;
  if (chosen === undefined || chosen === "" || chosen.toUpperCase() === "DIRECT") return undefined;
  const passed = (environment.no_proxy ?? environment.NO_PROXY ?? "").split(",").map((name) => name.trim());
  const direct = passed.some(
    (name) => name !== "" && (name === "*" || `.${hostname}`.endsWith(`.${name.replace(/^\./, "")}`)),
  );
  return direct ? undefined : chosen.includes("://") ? chosen : `http://${chosen}`;
}
