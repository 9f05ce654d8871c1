/** mounts of a bundle. */
import { invalid } from "../errors.ts";
import { checkIdMappings } from "./checkidmappings.ts";
import type { Mount, Namespace } from "./config.ts";
import { defined, Fields, listOf, said, word } from "./json.ts";

/**
 * Options "bind" and "rbind" make the type "bind", whatever it was; the source of such a mount may be relative to the bundle.
 * @param warnings relative destinations are added
 */
export function checkMounts(
  value: unknown,
  path: string,
  namespaces: readonly Namespace[],
  warnings: string[],
): Mount[] {
  return listOf(value, path, (item, at) => checkMount(item, at, namespaces, warnings));
}

function checkMount(value: unknown, path: string, namespaces: readonly Namespace[], warnings: string[]): Mount {
  const fields = new Fields(value, path);
  const options = fields.list("options", word).filter((option) => option !== "");
  const isBind = options.includes("bind") || options.includes("rbind");
  const mount = defined({
    destination: destinationOf(fields, warnings),
    type: isBind ? "bind" : fields.may("type", said),
    source: fields.may("source", said),
    options: options.length > 0 ? options : undefined,
    uidMappings: fields.may("uidMappings", checkIdMappings),
    gidMappings: fields.may("gidMappings", checkIdMappings),
  });
  const { type } = mount;
  if (type === undefined)
    throw invalid(`${fields.at("type")}: is missing`, 'a file system, or "bind" among the options');
  if (type === "bind" && mount.source === undefined)
    throw invalid(`${fields.at("source")}: is missing: nothing to bind`);
  checkIdmap({ ...mount, type }, fields, namespaces);
  return { ...mount, type };
}

function destinationOf(fields: Fields, warnings: string[]): string {
  const path = fields.at("destination");
  const destination = fields.must("destination", said);
  if (destination === undefined) throw invalid(`${path}: is empty`);
  if (destination.startsWith("/")) return destination;
  warnings.push(`${path}: "${destination}" is not an absolute path, and taken from /`);
  return `/${destination}`;
}

/** Without mappings of its own, "idmap" takes those of the container's user namespace. */
function checkIdmap(mount: Mount, fields: Fields, namespaces: readonly Namespace[]): void {
  const { uidMappings, gidMappings } = mount;
  const own = uidMappings ?? gidMappings;
  const asked = mount.options?.find((option) => option === "idmap" || option === "ridmap");
  if (!own && asked === undefined) return;
  if (mount.type !== "bind")
    throw invalid(`${fields.at(own ? "uidMappings" : "options")}: only binds are id-mapped, not ${mount.type}`);
  if (own && (!uidMappings || !gidMappings))
    throw invalid(`${fields.at(uidMappings ? "gidMappings" : "uidMappings")}: is missing: both kinds go together`);
  if (!own && !namespaces.some(({ type }) => type === "user"))
    throw invalid(
      `${fields.at("options")}: "${asked}" says no ids`,
      "add uidMappings and gidMappings, or a user namespace",
    );
}
