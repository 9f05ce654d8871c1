/** A seccomp profile read word by word, with nothing of the compiler: what each call gets. */
import { type Abi, syscallTable } from "../src/linux/syscalltable.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompOp, SeccompRule } from "../src/spec/seccomp.ts";

const RESULT: Record<SeccompAction, number> = {
  ...{ SCMP_ACT_KILL: 0, SCMP_ACT_KILL_THREAD: 0, SCMP_ACT_KILL_PROCESS: 0x80000000, SCMP_ACT_TRAP: 0x30000 },
  ...{ SCMP_ACT_ERRNO: 0x50000, SCMP_ACT_TRACE: 0x7ff00000, SCMP_ACT_ALLOW: 0x7fff0000, SCMP_ACT_LOG: 0x7ffc0000 },
  SCMP_ACT_NOTIFY: 0x7fc00000,
};

/** Actions for which a call that the profile could not know is none to answer ENOSYS. */
export const LENIENT: readonly SeccompAction[] = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"];

export function plainResult(action: SeccompAction, errno: number | undefined): number {
  return RESULT[action] + (action === "SCMP_ACT_ERRNO" || action === "SCMP_ACT_TRACE" ? (errno ?? 1) : 0);
}

export function holds(op: SeccompOp, given: bigint, value: bigint, two: bigint): boolean {
  switch (op) {
    case "SCMP_CMP_EQ":
      return given === value;
    case "SCMP_CMP_NE":
      return given !== value;
    case "SCMP_CMP_LT":
      return given < value;
    case "SCMP_CMP_LE":
      return given <= value;
    case "SCMP_CMP_GE":
      return given >= value;
    case "SCMP_CMP_GT":
      return given > value;
    case "SCMP_CMP_MASKED_EQ":
      return (given & value) === (two & value);
  }
}

/** For profiles in which the rules of one call that look at arguments all say the same. */
export function readPlainly(profile: Seccomp, abi: Abi, nr: number, args: readonly bigint[]): number {
  const table = syscallTable(abi);
  const rules = profile.syscalls ?? [];
  const byDefault = plainResult(profile.defaultAction, profile.defaultErrnoRet);
  const half = (v: bigint) => (abi === "X86_64" || abi === "AARCH64" ? v : v & 0xffffffffn);
  const one = (a: SeccompArg) =>
    holds(a.op, half(args[a.index] ?? 0n), half(BigInt(a.value)), half(BigInt(a.valueTwo ?? 0)));
  const always = (a: SeccompArg) => a.op === "SCMP_CMP_MASKED_EQ" && half(BigInt(a.value)) === 0n;
  const says = (rule: SeccompRule, test: (a: SeccompArg) => boolean) => {
    const all = rule.args ?? [];
    return new Set(all.map((a) => a.index)).size < all.length ? all.some(test) : all.every(test);
  };
  const mine = rules
    .filter((rule) => rule.names.some((name) => table.get(name) === nr))
    .filter((rule) => plainResult(rule.action, rule.errnoRet) !== byDefault);
  const rule = mine.find((r) => says(r, always)) ?? mine.find((r) => says(r, one));
  if (rule) return plainResult(rule.action, rule.errnoRet);
  const numbers = rules.flatMap((r) => r.names.flatMap((name) => table.get(name) ?? []));
  const newer = numbers.length > 0 && nr > Math.max(...numbers);
  return newer && !LENIENT.includes(profile.defaultAction) ? 0x50026 : byDefault;
}
