/** Docker's filters of volumes. Of values of one name one has to fit, of labels all; every name has to. */
import { invalid } from "../../errors.ts";
import { hasLabel } from "../image/filters.ts";
import type { Volume } from "./store.ts";

export interface VolumeFilters {
  wanted(volume: Volume, used: boolean): boolean;
  /** It has to be known which of them containers have. */
  readonly needsUsers: boolean;
}

/** @param known which ones this command takes @throws INVALID */
export function parseVolumeFilters(texts: readonly string[], known: readonly string[]): VolumeFilters {
  const all = new Map<string, string[]>();
  for (const text of texts) {
    const [, name = "", not = "", value] = /^([^=!]*)(!?)=(.*)$/s.exec(text) ?? [];
    if (value === undefined) throw invalid(`--filter "${text}": not of the form NAME=VALUE`);
    if (!known.includes(name) || (not && name !== "label"))
      throw invalid(`--filter "${text}": there is no such filter`, `known: ${known.join(", ")}`);
    if (name === "dangling" && !/^(true|false|1|0)$/.test(value))
      throw invalid(`--filter "${text}": "${value}" is neither true nor false`);
    all.set(name + not, [...(all.get(name + not) ?? []), value]);
  }
  const values = (name: string) => all.get(name) ?? [];
  const any = (name: string, fits: (value: string) => boolean) => values(name).length === 0 || values(name).some(fits);
  return {
    needsUsers: all.has("dangling"),
    wanted: ({ name, labels }, used) =>
      any("dangling", (value) => /^(true|1)$/.test(value) === !used) &&
      any("name", (value) => name.includes(value)) &&
      any("driver", (value) => value === "local") &&
      values("label").every((value) => hasLabel(labels, value)) &&
      !values("label!").some((value) => hasLabel(labels, value)),
  };
}
