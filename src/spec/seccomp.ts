/** linux.seccomp of the OCI runtime specification: which system calls a container may make. seccomp(2), seccomp_rule_add(3). */
import { invalid } from "../errors.ts";
import { list, listOf, oneOf, record, whole, whole64, word } from "./json.ts";

export interface Seccomp {
  /** For calls that no rule matches. */
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  /** Besides the native one. */
  architectures?: SeccompArch[];
  flags?: SeccompFlag[];
  /** A Unix socket whose owner is handed the listener of SCMP_ACT_NOTIFY. */
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: SeccompRule[];
}

export interface SeccompRule {
  names: string[];
  action: SeccompAction;
  /** EPERM if not said. */
  errnoRet?: number;
  /** All have to hold; but if two are about one argument, any. See compileSeccomp(). */
  args?: SeccompArg[];
}

export interface SeccompArg {
  /** 0 to 5. */
  index: number;
  value: number | bigint;
  /** With SCMP_CMP_MASKED_EQ: (argument & value) == valueTwo. */
  valueTwo?: number | bigint;
  op: SeccompOp;
}

export const SECCOMP_ACTIONS = [
  "SCMP_ACT_KILL",
  "SCMP_ACT_KILL_PROCESS",
  "SCMP_ACT_KILL_THREAD",
  "SCMP_ACT_TRAP",
  "SCMP_ACT_ERRNO",
  "SCMP_ACT_TRACE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_LOG",
  "SCMP_ACT_NOTIFY",
] as const;
export type SeccompAction = (typeof SECCOMP_ACTIONS)[number];

export const SECCOMP_OPS = [
  "SCMP_CMP_NE",
  "SCMP_CMP_LT",
  "SCMP_CMP_LE",
  "SCMP_CMP_EQ",
  "SCMP_CMP_GE",
  "SCMP_CMP_GT",
  "SCMP_CMP_MASKED_EQ",
] as const;
export type SeccompOp = (typeof SECCOMP_OPS)[number];

export const SECCOMP_FLAGS = [
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
  "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
] as const;
export type SeccompFlag = (typeof SECCOMP_FLAGS)[number];

/** All that the specification knows; those of other machines count for nothing. */
export const SECCOMP_ARCHES = [
  "SCMP_ARCH_X86",
  "SCMP_ARCH_X86_64",
  "SCMP_ARCH_X32",
  "SCMP_ARCH_ARM",
  "SCMP_ARCH_AARCH64",
  "SCMP_ARCH_LOONGARCH64",
  "SCMP_ARCH_M68K",
  "SCMP_ARCH_MIPS",
  "SCMP_ARCH_MIPS64",
  "SCMP_ARCH_MIPS64N32",
  "SCMP_ARCH_MIPSEL",
  "SCMP_ARCH_MIPSEL64",
  "SCMP_ARCH_MIPSEL64N32",
  "SCMP_ARCH_PPC",
  "SCMP_ARCH_PPC64",
  "SCMP_ARCH_PPC64LE",
  "SCMP_ARCH_S390",
  "SCMP_ARCH_S390X",
  "SCMP_ARCH_SH",
  "SCMP_ARCH_SHEB",
  "SCMP_ARCH_PARISC",
  "SCMP_ARCH_PARISC64",
  "SCMP_ARCH_RISCV64",
] as const;
export type SeccompArch = (typeof SECCOMP_ARCHES)[number];

/** MAX_ERRNO, and the 16 bits of SECCOMP_RET_DATA that a tracer is handed. */
const MOST_ERRNO = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 65535 } as const;

/** The value of `linux.seccomp` in a config, or of a whole profile, checked. Properties it does not know are left out. */
export function checkSeccomp(value: unknown, path: string): Seccomp {
  const rules = list(record(value, path).syscalls, `${path}.syscalls`);
  return checkFilter(
    value,
    path,
    rules.map((rule, i) => checkRule(rule, `${path}.syscalls[${i}]`)),
  );
}

/** Everything but the rules, which are handed in. */
export function checkFilter(value: unknown, path: string, syscalls: SeccompRule[]): Seccomp {
  const object = record(value, path);
  const result: Seccomp = { ...action(object, path, "defaultAction", "defaultErrnoRet"), syscalls };
  if (result.defaultAction === "SCMP_ACT_NOTIFY")
    throw invalid(`${path}.defaultAction: SCMP_ACT_NOTIFY can only stand in a rule`);
  const architectures = listOf(object.architectures, `${path}.architectures`, (v, p) => oneOf(v, p, SECCOMP_ARCHES));
  if (architectures.length > 0) result.architectures = architectures;
  const flags = listOf(object.flags, `${path}.flags`, (v, p) => oneOf(v, p, SECCOMP_FLAGS));
  if (flags.length > 0) result.flags = flags;
  for (const key of ["listenerPath", "listenerMetadata"] as const) {
    const said = object[key] === undefined ? "" : word(object[key], `${path}.${key}`);
    if (said !== "") result[key] = said;
  }
  if (result.listenerMetadata !== undefined && result.listenerPath === undefined)
    throw invalid(`${path}.listenerMetadata: says something to a listener, but there is no listenerPath`);
  const notified = syscalls.findIndex((rule) => rule.action === "SCMP_ACT_NOTIFY");
  if (notified >= 0 && result.listenerPath === undefined)
    throw invalid(`${path}.syscalls[${notified}].action: SCMP_ACT_NOTIFY needs a listenerPath`);
  return result;
}

export function checkRule(value: unknown, path: string): SeccompRule {
  const object = record(value, path);
  const names = listOf(object.names, `${path}.names`, callName);
  if (names.length === 0) throw invalid(`${path}.names: no system call is named`);
  const rule: SeccompRule = { names, ...action(object, path, "action", "errnoRet") };
  const args = listOf(object.args, `${path}.args`, checkArg);
  if (args.length > 0) rule.args = args;
  return rule;
}

function checkArg(value: unknown, path: string): SeccompArg {
  const object = record(value, path);
  const arg: SeccompArg = {
    index: whole(object.index, `${path}.index`, 5),
    value: whole64(object.value, `${path}.value`),
    op: oneOf(object.op, `${path}.op`, SECCOMP_OPS),
  };
  if (object.valueTwo !== undefined) arg.valueTwo = whole64(object.valueTwo, `${path}.valueTwo`);
  return arg;
}

export function callName(value: unknown, path: string): string {
  const name = word(value, path);
  if (!/^\w+$/.test(name)) throw invalid(`${path}: ${JSON.stringify(name)} is no name of a system call`);
  return name;
}

function action<A extends string, E extends string>(object: Record<string, unknown>, path: string, key: A, errno: E) {
  const said = oneOf(object[key], `${path}.${key}`, SECCOMP_ACTIONS);
  const result: Record<string, unknown> = { [key]: said };
  const code = object[errno];
  if (code !== undefined && code !== null) {
    // config-linux.md: where the action has no errno, the runtime has to fail.
    if (said !== "SCMP_ACT_ERRNO" && said !== "SCMP_ACT_TRACE")
      throw invalid(`${path}.${errno}: ${said} returns no errno`);
    result[errno] = whole(code, `${path}.${errno}`, MOST_ERRNO[said]);
  }
  return result as { [K in A]: SeccompAction } & { [K in E]?: number };
}
