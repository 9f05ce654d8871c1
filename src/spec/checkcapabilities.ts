/** process.capabilities of a bundle: what cannot be granted is left out with a warning, never an error. See capabilities(7). */
import { capabilityBit, capabilityName } from "../linux/capabilities.ts";
import type { Capabilities } from "./config.ts";
import { Fields, word } from "./json.ts";

export const NO_CAPABILITIES: Capabilities = {
  bounding: [],
  effective: [],
  permitted: [],
  inheritable: [],
  ambient: [],
};

/** What somebody can be given. */
export interface Grantable {
  /** The kernel's highest capability. */
  readonly lastCapability: number;
  /** Bits that whoever starts the process has itself; all if not said. */
  readonly held?: bigint | undefined;
}

export function checkCapabilities(value: unknown, path: string, host: Grantable, warnings: string[]): Capabilities {
  const fields = new Fields(value, path);
  const ungranted = new Map<string, string>();
  const read = (set: keyof Capabilities) => {
    const names = new Set(fields.list(set, word));
    return [...names].filter((name) => {
      const why = lack(name, host);
      if (why !== undefined) ungranted.set(name, why);
      return why === undefined;
    });
  };
  const sets = {
    bounding: read("bounding"),
    effective: read("effective"),
    permitted: read("permitted"),
    inheritable: read("inheritable"),
    ambient: read("ambient"),
  };
  for (const [name, why] of ungranted) warnings.push(`${path}: ${JSON.stringify(name)} is left out: ${why}`);
  // capset(2) and PR_CAP_AMBIENT_RAISE would refuse these.
  const within = (set: keyof Capabilities, ...others: (keyof Capabilities)[]) => {
    sets[set] = sets[set].filter((name) => {
      const other = others.find((o) => !sets[o].includes(name));
      if (other !== undefined) warnings.push(`${path}.${set}: ${name} is left out: it is not ${other}`);
      return other === undefined;
    });
  };
  within("effective", "permitted");
  within("inheritable", "bounding");
  within("ambient", "permitted", "inheritable");
  return sets;
}

function lack(name: string, { lastCapability, held }: Grantable): string | undefined {
  const bit = capabilityBit(name);
  // Only the full name in capitals, as elsewhere: nobody is granted what another runtime would not grant.
  if (bit === undefined || capabilityName(bit) !== name) return "no capability is called that";
  if (bit > lastCapability) return "this kernel does not have it";
  return held === undefined || ((held >> BigInt(bit)) & 1n) === 1n ? undefined : "the caller does not have it";
}
