/** Docker's filters of networks. Of values of one name one has to fit, of labels all; every name has to. */
import { invalid } from "../../errors.ts";
import { DEFAULT_NETWORK, type NetworkRecord } from "../../network/record.ts";
import { parsePointInTime } from "../../spec/pointintime.ts";
import { hasLabel } from "../image/filters.ts";

export interface NetworkFilters {
  wanted(network: NetworkRecord, used: boolean): boolean;
  /** It has to be known which of them containers are on. */
  readonly needsUsers: boolean;
}

const VALUES: Readonly<Record<string, RegExp>> = {
  dangling: /^(true|false|1|0)$/,
  type: /^(builtin|custom)$/,
};

/** @param known which ones this command takes @throws INVALID */
export function parseNetworkFilters(texts: readonly string[], known: readonly string[], now: number): NetworkFilters {
  const all = new Map<string, string[]>();
  for (const text of texts) {
    const [, name = "", not = "", value] = /^([^=!]*)(!?)=(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw invalid(`--filter "${text}": not of the form NAME=VALUE`);
    if (!known.includes(name) || (not && name !== "label"))
      throw invalid(`--filter "${text}": there is no such filter`, `known: ${known.join(", ")}`);
    if (VALUES[name]?.test(value) === false) throw invalid(`--filter "${text}": "${value}" is none of its values`);
    all.set(name + not, [...(all.get(name + not) ?? []), value]);
  }
  const values = (name: string) => all.get(name) ?? [];
  const any = (name: string, fits: (value: string) => boolean) => values(name).length === 0 || values(name).some(fits);
  const until = values("until").map((value) => Number(parsePointInTime(value, "--filter until", now) / 1_000_000n));
  return {
    needsUsers: all.has("dangling"),
    wanted: ({ name, id, driver, labels, created }, used) =>
      any("dangling", (value) => /^(true|1)$/.test(value) === !used) &&
      any("name", (value) => name.includes(value)) &&
      any("id", (value) => id.startsWith(value)) &&
      any("driver", (value) => driver === value) &&
      any("scope", (value) => value === "local") &&
      any("type", (value) => (value === "builtin") === (name === DEFAULT_NETWORK)) &&
      values("label").every((value) => hasLabel(labels, value)) &&
      !values("label!").some((value) => hasLabel(labels, value)) &&
      until.every((time) => created < time),
  };
}
