/** process of a bundle, or a whole file of one, as `exec --process` takes it. */
import { invalid } from "../errors.ts";
import { CAPABILITIES } from "../linux/capabilities.ts";
import { checkCapabilities, type Grantable, NO_CAPABILITIES } from "./checkcapabilities.ts";
import { LAST_ID } from "./checkidmappings.ts";
import { checkExecCpuAffinity, checkIoPriority, checkScheduler } from "./checkscheduler.ts";
import type { Process, Rlimit } from "./config.ts";
import { absolute, between, defined, Fields, listOf, oneOf, said, truth, whole64, word } from "./json.ts";
import { RLIMITS, UNLIMITED } from "./rlimits.ts";

const ALL: Grantable = { lastCapability: CAPABILITIES.length - 1 };

/**
 * @param host which capabilities can be granted: all that are known, if not said
 * @param warnings what is left out is added
 * @throws INVALID, with the path of what is wrong
 */
export function checkProcess(value: unknown, path: string, host = ALL, warnings: string[] = []): Process {
  const fields = new Fields(value, path);
  const terminal = fields.may("terminal", truth) || undefined;
  return defined({
    args: argsOf(fields),
    env: environment(fields),
    cwd: fields.must("cwd", absolute),
    user: fields.may("user", checkUser) ?? { uid: 0, gid: 0 },
    capabilities:
      fields.may("capabilities", (v, p) => checkCapabilities(v, p, host, warnings)) ?? structuredClone(NO_CAPABILITIES),
    noNewPrivileges: fields.may("noNewPrivileges", truth) ?? false,
    terminal,
    // config.md: to be ignored without a terminal.
    consoleSize: terminal && fields.may("consoleSize", checkConsoleSize),
    rlimits: fields.may("rlimits", checkRlimits),
    oomScoreAdj: fields.may("oomScoreAdj", between(-1000, 1000)),
    scheduler: fields.may("scheduler", checkScheduler),
    ioPriority: fields.may("ioPriority", checkIoPriority),
    execCPUAffinity: fields.may("execCPUAffinity", checkExecCpuAffinity),
    apparmorProfile: fields.may("apparmorProfile", said),
    selinuxLabel: fields.may("selinuxLabel", said),
  });
}

function argsOf(fields: Fields): string[] {
  const args = fields.list("args", word);
  if (args.length === 0) throw invalid(`${fields.at("args")}: no program is named`);
  if (args[0] === "") throw invalid(`${fields.at("args")}[0]: the program's name is empty`);
  return args;
}

/** Of two values for a name the later one counts. */
function environment(fields: Fields): string[] {
  const values = new Map<string, string>();
  for (const [i, entry] of fields.list("env", word).entries()) {
    const at = entry.indexOf("=");
    if (at < 1) throw invalid(`${fields.at("env")}[${i}]: ${JSON.stringify(entry)} is not of the form NAME=VALUE`);
    values.set(entry.slice(0, at), entry);
  }
  return [...values.values()];
}

function checkUser(value: unknown, path: string): Process["user"] {
  const fields = new Fields(value, path);
  // setresuid(2) takes the last number for "as it is", which is root.
  const id = between(0, LAST_ID);
  const additionalGids = fields.list("additionalGids", id);
  return defined({
    uid: fields.may("uid", id) ?? 0,
    gid: fields.may("gid", id) ?? 0,
    additionalGids: additionalGids.length > 0 ? additionalGids : undefined,
    umask: fields.may("umask", between(0, 0o777)),
  });
}

function checkConsoleSize(value: unknown, path: string): NonNullable<Process["consoleSize"]> {
  const fields = new Fields(value, path);
  const characters = between(0, 65535); // struct winsize, ioctl_tty(2)
  return { height: fields.must("height", characters), width: fields.must("width", characters) };
}

const TYPES = RLIMITS.map((name) => `RLIMIT_${name.toUpperCase()}`);

function checkRlimits(value: unknown, path: string): Rlimit[] | undefined {
  const types = new Set<string>();
  const rlimits = listOf(value, path, (item, at) => {
    const fields = new Fields(item, at);
    const type = fields.must("type", (v, p) => oneOf(v, p, TYPES));
    if (types.has(type)) throw invalid(`${at}.type: there are two of ${type}`);
    types.add(type);
    const soft = fields.must("soft", limit);
    const hard = fields.must("hard", limit);
    if (hard !== UNLIMITED && (soft === UNLIMITED || soft > hard))
      throw invalid(`${at}.soft: is above the hard limit, ${hard}`);
    return { type, soft, hard };
  });
  return rlimits.length > 0 ? rlimits : undefined;
}

/** RLIM64_INFINITY is 2^64-1; -1 is how some write it. */
function limit(value: unknown, path: string): number | bigint {
  if (value === -1) return UNLIMITED;
  const exact = whole64(value, path);
  return exact === 2n ** 64n - 1n ? UNLIMITED : exact;
}
