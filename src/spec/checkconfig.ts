/** A bundle's config.json, held against the OCI runtime specification 1.3 and what Linux can do of it. */
import { invalid } from "../errors.ts";
import type { Grantable } from "./checkcapabilities.ts";
import { checkHooks } from "./checkhooks.ts";
import { checkLinux } from "./checklinux.ts";
import { checkMounts } from "./checkmounts.ts";
import { checkProcess } from "./checkprocess.ts";
import type { Config, Linux, NamespaceType, Process } from "./config.ts";
import { defined, entriesOf, Fields, parseJson, said, truth, word } from "./json.ts";
import { checkOciVersion } from "./ociversion.ts";

/** What has to be known of the host. */
export interface ConfigHost extends Grantable {
  /** Whether the file of a namespace leads to the one that the caller is in: what is set in it would be set on the host. Taken for false if not given. */
  readonly isOwn?: (type: NamespaceType, path: string) => boolean;
}

/** `create` takes it without a process; `start` needs one. */
export type BundleConfig = Omit<Config, "process"> & { process?: Process };

export interface CheckedConfig {
  /** What the bundle leaves out is filled in; `linux.cgroupsPath` is then "", for which the runtime chooses. Paths are as they stand. */
  readonly config: BundleConfig;
  /** What was taken, though not as it stands. */
  readonly warnings: readonly string[];
}

/**
 * A text as JSON, with whole numbers exact (see parseJson).
 * @param source what errors call it
 * @throws INVALID with line and column
 */
export function parseConfig(text: string, source = "config.json"): unknown {
  return parseJson(text, source);
}

/** Properties that are not known are left out. @throws INVALID that begins with the path of what is wrong: "$.linux.resources.pids.limit: …" */
export function checkConfig(value: unknown, host: ConfigHost): CheckedConfig {
  const fields = new Fields(value, "$");
  const warnings: string[] = [];
  const ociVersion = fields.must("ociVersion", (v, p) => checkOciVersion(v, p, warnings));
  checkPlatform(fields, warnings);
  const isOwn = host.isOwn ?? (() => false);
  const linux = fields.may("linux", (v, p) => checkLinux(v, p, isOwn)) ?? checkLinux({}, fields.at("linux"), isOwn);
  const { namespaces } = linux;
  const hasUsers = namespaces.some(({ type }) => type === "user");
  const grantable = hasUsers ? { lastCapability: host.lastCapability } : host;
  const config: BundleConfig = defined({
    ociVersion,
    root: fields.must("root", checkRoot),
    hostname: fields.may("hostname", (v, p) => checkName(v, p, linux, isOwn)),
    domainname: fields.may("domainname", (v, p) => checkName(v, p, linux, isOwn)),
    mounts: fields.may("mounts", (v, p) => checkMounts(v, p, namespaces, warnings)) ?? [],
    process: fields.may("process", (v, p) => checkProcess(v, p, grantable, warnings)),
    hooks: fields.may("hooks", checkHooks),
    linux,
    annotations: fields.may("annotations", checkAnnotations),
  });
  return { config, warnings };
}

/** A bundle that describes another system, and not Linux, would run as something that nobody meant. */
function checkPlatform(fields: Fields, warnings: string[]): void {
  if (fields.has("vm")) warnings.push(`${fields.at("vm")}: is left out: there is no virtual machine`);
  if (fields.has("linux")) return;
  const other = ["freebsd", "solaris", "windows", "zos"].find((platform) => fields.has(platform));
  if (other) throw invalid(`${fields.at(other)}: a container of ${other}, not of linux`, "one of linux has $.linux");
}

function checkRoot(value: unknown, path: string): Config["root"] {
  const fields = new Fields(value, path);
  const root = fields.must("path", said);
  if (root === undefined) throw invalid(`${fields.at("path")}: is empty`);
  return defined({ path: root, readonly: fields.may("readonly", truth) || undefined });
}

/** The kernel's __NEW_UTS_LEN. */
const LONGEST_NAME = 64;

function checkName(
  value: unknown,
  path: string,
  { namespaces }: Linux,
  isOwn: (type: NamespaceType, path: string) => boolean,
): string | undefined {
  const name = said(value, path);
  if (name === undefined) return undefined;
  if (new TextEncoder().encode(name).length > LONGEST_NAME)
    throw invalid(`${path}: ${JSON.stringify(name)} has more than ${LONGEST_NAME} bytes`);
  if (!namespaces.some((n) => n.type === "uts" && (n.path === undefined || !isOwn("uts", n.path))))
    throw invalid(`${path}: the UTS namespace is the host's, whose name stays`, 'add {"type": "uts"}, or leave it out');
  return name;
}

function checkAnnotations(value: unknown, path: string): Record<string, string> | undefined {
  const entries = entriesOf(value, path, (item, at, name) => {
    if (name === "") throw invalid(`${path}: an annotation has no name`);
    return word(item, at);
  });
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

export { checkProcess } from "./checkprocess.ts";
export { checkResources } from "./checkresources.ts";
