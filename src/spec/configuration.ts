/** What an administrator sets once: the configuration file, a JSON object. */
import { invalid } from "../errors.ts";
import { ipBytes } from "../linux/ip.ts";

export interface Configuration {
  /** Of containers that say none: "none", "host", or the name of a network. */
  readonly network: string;
  /** An address of the host: where `-p` publishes that says none; "0.0.0.0" and "::" are all of them. */
  readonly publishAddress: string;
}

/** Without a file. A port is for this host alone until somebody says otherwise. */
export const DEFAULT_CONFIGURATION: Configuration = { network: "bridge", publishAddress: "127.0.0.1" };

const KEYS = { network: "network", "publish-address": "publishAddress" } as const;

/** @param file its name, for errors @throws INVALID for what is not understood */
export function parseConfiguration(text: string, file: string): Configuration {
  const wrong = (why: string, hint?: string) => invalid(`${file}: ${why}`, hint);
  let object: unknown;
  try {
    object = JSON.parse(text);
  } catch (error) {
    throw wrong(`not JSON: ${(error as Error).message}`);
  }
  if (typeof object !== "object" || object === null || Array.isArray(object))
    throw wrong("not an object", '{ "network": "bridge", "publish-address": "127.0.0.1" }');
  const found: { -readonly [K in keyof Configuration]: Configuration[K] } = { ...DEFAULT_CONFIGURATION };
  for (const [key, value] of Object.entries(object)) {
    if (!Object.hasOwn(KEYS, key)) throw wrong(`"${key}" is not known`, `known: ${Object.keys(KEYS).join(", ")}`);
    if (typeof value !== "string" || value === "") throw wrong(`"${key}" is no text`);
    found[KEYS[key as keyof typeof KEYS]] = value;
  }
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(found.network))
    throw wrong(`"network": "${found.network}"`, '"bridge", "none", "host", or the name of a network');
  if (!isAddress(found.publishAddress))
    throw wrong(`"publish-address": "${found.publishAddress}" is no address`, "as 127.0.0.1, or 0.0.0.0 for all");
  return found;
}

/** Nothing is handed on from ::1: see parsePublish. */
function isAddress(text: string): boolean {
  try {
    const bytes = ipBytes(text);
    return bytes.length === 4 || !bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
  } catch {
    return false;
  }
}
