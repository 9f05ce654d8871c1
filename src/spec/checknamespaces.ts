/** linux.namespaces of a bundle, and what goes only with some of them. See namespaces(7). */
import { invalid } from "../errors.ts";
import { checkIdMappings } from "./checkidmappings.ts";
import { type IdMapping, type Linux, NAMESPACE_TYPES, type Namespace, type NamespaceType } from "./config.ts";
import { absolute, among, between, defined, entriesOf, Fields, int64, listOf, said } from "./json.ts";

export function checkNamespaces(value: unknown, path: string): Namespace[] {
  const types = new Set<NamespaceType>();
  return listOf(value, path, (item, at) => {
    const fields = new Fields(item, at);
    const type = fields.must("type", among(NAMESPACE_TYPES));
    if (types.has(type)) throw invalid(`${at}.type: there are two ${type} namespaces`);
    types.add(type);
    const file = fields.may("path", said);
    return defined({ type, path: file === undefined ? undefined : absolute(file, `${at}.path`) });
  });
}

export interface Mappings {
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
}

/**
 * Where a user namespace is joined, mappings that are said are left for whoever can look at it: some engines give its own
 * along. @param fields linux
 */
export function checkMappings(fields: Fields, namespaces: readonly Namespace[]): Mappings {
  const user = namespaces.find(({ type }) => type === "user");
  const mappings = defined({
    uidMappings: fields.may("uidMappings", checkIdMappings),
    gidMappings: fields.may("gidMappings", checkIdMappings),
  });
  for (const name of ["uidMappings", "gidMappings"] as const) {
    const found = mappings[name];
    if (!user && found) throw invalid(`${fields.at(name)}: there is no user namespace`, 'add {"type": "user"}');
    if (!user || user.path !== undefined) continue;
    if (!found) throw invalid(`${fields.at(name)}: is missing: the user namespace is a new one`);
    if (!found.some(({ containerID }) => containerID === 0))
      throw invalid(`${fields.at(name)}: 0 is not mapped: the container has no root`);
  }
  return mappings;
}

const CLOCKS = ["monotonic", "boottime"] as const;

/** @param value linux.timeOffsets */
export function checkTimeOffsets(
  value: unknown,
  path: string,
  namespaces: readonly Namespace[],
): Linux["timeOffsets"] | undefined {
  const offsets = entriesOf(value, path, (item, at, clock) => {
    if (!(CLOCKS as readonly string[]).includes(clock)) throw invalid(`${at}: no clock of ${CLOCKS.join(", ")}`);
    const fields = new Fields(item, at);
    return { secs: fields.may("secs", int64) ?? 0, nanosecs: fields.may("nanosecs", between(0, 999_999_999)) ?? 0 };
  });
  if (offsets.length === 0) return undefined;
  const time = namespaces.find(({ type }) => type === "time");
  if (!time) throw invalid(`${path}: there is no time namespace`, 'add {"type": "time"}');
  if (time.path !== undefined)
    throw invalid(`${path}: the time namespace is another's, whose offsets stay`, "leave them out, or its path");
  return Object.fromEntries(offsets);
}
