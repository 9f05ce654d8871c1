/**
 * A profile as `--security-opt seccomp=FILE` names it: docker's format, in which rules are bound to capabilities, machines
 * and kernels. A plain OCI profile is one without such bonds, so one reader serves both.
 * https://docs.docker.com/engine/security/seccomp/
 */
import { invalid } from "../errors.ts";
import type { Arch } from "../linux/arch.ts";
import { listOf, oneOf, parseJson, record, word } from "./json.ts";
import { checkFilter, checkRule, SECCOMP_ARCHES, type Seccomp, type SeccompArch, type SeccompRule } from "./seccomp.ts";

/** What the bonds are held against. */
export interface SeccompHost {
  readonly arch: Arch;
  /** uname -r */
  readonly kernel: string;
  /** The container's bounding set: "CAP_SYS_ADMIN". */
  readonly capabilities: readonly string[];
}

/** As docker names machines (GOARCH), and as libseccomp does. */
const MACHINE = { x64: "amd64", arm64: "arm64" } as const;
const NATIVE = { x64: "SCMP_ARCH_X86_64", arm64: "SCMP_ARCH_AARCH64" } as const;

/** `source` is what errors call the profile: the name of its file. */
export function readSeccompProfile(text: string, source: string, host: SeccompHost): Seccomp {
  const root = `${source}: $`;
  const object = record(parseJson(text, source), root);
  const rules: SeccompRule[] = [];
  for (const { rule, applies } of listOf(object.syscalls, `${root}.syscalls`, (v, p) => readRule(v, p, host)))
    if (applies) rules.push(rule);
  const architectures = mapped(object.archMap, `${root}.archMap`, host);
  if (architectures && Array.isArray(object.architectures) && object.architectures.length > 0)
    throw invalid(`${root}: architectures and archMap are both there`, "leave one of them out");
  const filter = checkFilter(object, root, rules);
  return architectures ? { ...filter, architectures } : filter;
}

/** Undefined if there is no map; a machine that is not in it has no architecture but its own. */
function mapped(value: unknown, path: string, host: SeccompHost): SeccompArch[] | undefined {
  const arch = (v: unknown, p: string) => oneOf(v, p, SECCOMP_ARCHES);
  const map = listOf(value, path, (entry, at) => ({
    architecture: arch(record(entry, at).architecture, `${at}.architecture`),
    others: listOf(record(entry, at).subArchitectures, `${at}.subArchitectures`, arch),
  }));
  if (map.length === 0) return undefined;
  const mine = map.find((entry) => entry.architecture === NATIVE[host.arch]);
  return mine ? [mine.architecture, ...mine.others] : [];
}

function readRule(value: unknown, path: string, host: SeccompHost): { rule: SeccompRule; applies: boolean } {
  const { name, includes, excludes, ...rest } = record(value, path);
  const old = name === undefined || name === "" ? undefined : word(name, `${path}.name`);
  if (old !== undefined && Array.isArray(rest.names) && rest.names.length > 0)
    throw invalid(`${path}: name and names are both there`, "leave one of them out");
  const rule = checkRule(old === undefined ? rest : { ...rest, names: [old] }, path);
  const wanted = readBond(includes, `${path}.includes`, host);
  const unwanted = readBond(excludes, `${path}.excludes`, host);
  return { rule, applies: wanted.every((holds) => holds.all) && !unwanted.some((holds) => holds.any) };
}

/** For each kind of condition that is there: does it hold in full, and in part? */
function readBond(value: unknown, path: string, host: SeccompHost): { all: boolean; any: boolean }[] {
  if (value === undefined || value === null) return [];
  const { caps, arches, minKernel } = record(value, path);
  const result: { all: boolean; any: boolean }[] = [];
  // A name that is not known yet is a capability that nobody was given.
  const granted = listOf(caps, `${path}.caps`, word).map((name) => host.capabilities.includes(name));
  if (granted.length > 0) result.push({ all: granted.every(Boolean), any: granted.some(Boolean) });
  const machines = listOf(arches, `${path}.arches`, word);
  const mine = machines.includes(MACHINE[host.arch]);
  if (machines.length > 0) result.push({ all: mine, any: mine });
  if (minKernel !== undefined && minKernel !== null && minKernel !== "") {
    const reached = atLeast(host.kernel, word(minKernel, `${path}.minKernel`), `${path}.minKernel`);
    result.push({ all: reached, any: reached });
  }
  return result;
}

/** Only the first two numbers count: "4.8" and "4.8.3-rc1" are the same. */
function atLeast(kernel: string, wanted: string, path: string): boolean {
  const least = /^(\d{1,3})\.(\d{1,3})$/.exec(wanted);
  if (!least) throw invalid(`${path}: ${JSON.stringify(wanted)} is no version as "4.8"`);
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [first, second] = [Number(least[1]), Number(least[2])];
  return major > first || (major === first && minor >= second);
}
