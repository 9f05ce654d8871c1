/** How registries are reached: /etc/vitrine/registries.json, or the file that $VITRINE_REGISTRIES names. docs/guide/images.md tells its form. */
import { readFileSync } from "node:fs";
import { invalid } from "../../errors.ts";
import { between, entriesOf, Fields, listOf, parseJson, type Read, record, word, wrong } from "../../spec/json.ts";

export interface RegistriesConfiguration {
  /** Hosts that may be reached by plain HTTP and with any certificate: HOST, HOST:PORT, or a range of addresses. */
  readonly insecure: readonly string[];
  /** By host: where to look first, in that order. */
  readonly mirrors: ReadonlyMap<string, readonly Mirror[]>;
  /** By host: other hosts whose token servers may see its credentials. */
  readonly realms: ReadonlyMap<string, readonly string[]>;
  /** Directories with HOST/ca.crt in them, and HOST/client.cert with HOST/client.key. */
  readonly certificates: readonly string[];
  readonly patience: Patience;
}

export interface Mirror {
  readonly host: string;
  /** Written as http://: only plain HTTP is tried. */
  readonly plain: boolean;
}

/** When to give up. */
export interface Patience {
  /** How often something is tried without getting further. */
  readonly attempts: number;
  /** Before the second try; doubled each time, milliseconds. */
  readonly pauseMs: number;
  /** Nothing came or went for so long: the connection is given up. */
  readonly idleMs: number;
}

export const DEFAULT_CONFIGURATION: RegistriesConfiguration = {
  insecure: [],
  mirrors: new Map(),
  realms: new Map(),
  certificates: ["/etc/docker/certs.d", "/etc/containers/certs.d"],
  patience: { attempts: 6, pauseMs: 500, idleMs: 60_000 },
};

const FILE = "/etc/vitrine/registries.json";

/** @throws INVALID with the path of what is wrong; the system's error if a file that is named cannot be read */
export function readRegistriesConfiguration(named = process.env.VITRINE_REGISTRIES): RegistriesConfiguration {
  const file = named || FILE;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT" && !named) return DEFAULT_CONFIGURATION;
    throw invalid(`${file}: cannot be read: ${(error as Error).message}`, "$VITRINE_REGISTRIES names it");
  }
  return parseRegistriesConfiguration(text, file);
}

const KNOWN = ["insecure", "mirrors", "realms", "certificates", "attempts", "pause", "idle"];

export function parseRegistriesConfiguration(text: string, source: string): RegistriesConfiguration {
  const value = parseJson(text, source);
  const fields = new Fields(value, `${source}: $`);
  const unknown = Object.keys(record(value, source)).find((name) => !KNOWN.includes(name));
  if (unknown !== undefined) throw invalid(`${fields.at(unknown)}: is not known`, `known: ${KNOWN.join(", ")}`);
  const { patience, certificates } = DEFAULT_CONFIGURATION;
  return {
    insecure: fields.list("insecure", insecureEntry),
    mirrors: new Map(fields.may("mirrors", listsOf(mirror)) ?? []),
    realms: new Map(fields.may("realms", listsOf(host)) ?? []),
    certificates: fields.may("certificates", (v, path) => listOf(v, path, word)) ?? certificates,
    patience: {
      attempts: fields.may("attempts", between(1, 1000)) ?? patience.attempts,
      pauseMs: fields.may("pause", milliseconds) ?? patience.pauseMs,
      idleMs: fields.may("idle", milliseconds) ?? patience.idleMs,
    },
  };
}

function listsOf<T>(read: Read<T>): Read<[string, T[]][]> {
  return (value, path) =>
    entriesOf(value, path, (item, at, name) => {
      host(name, path);
      return listOf(item, at, read);
    });
}

function milliseconds(value: unknown, path: string): number {
  if (typeof value !== "number" || !(value > 0 && value <= 86_400)) throw wrong(value, path, "seconds above 0");
  return value * 1000;
}

const HOST = /^(?:[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::\d{1,5})?$/;

function host(value: unknown, path: string): string {
  const text = word(value, path);
  if (!HOST.test(text)) throw wrong(text, path, "HOST or HOST:PORT");
  return text;
}

function insecureEntry(value: unknown, path: string): string {
  const text = word(value, path);
  return /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(text) ? text : host(text, path);
}

function mirror(value: unknown, path: string): Mirror {
  const [, scheme, rest = ""] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(word(value, path)) ?? [];
  if (!HOST.test(rest)) throw wrong(value, path, "https://HOST[:PORT], without a path");
  return { host: rest, plain: scheme === "http" };
}
