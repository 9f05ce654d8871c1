/** The rules of a profile as one system call interface sees them: by number, each call's tests in the order in which they count. */
import {
  SECCOMP_RET_ALLOW,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_RET_KILL_THREAD,
  SECCOMP_RET_LOG,
  SECCOMP_RET_TRACE,
  SECCOMP_RET_TRAP,
  SECCOMP_RET_USER_NOTIF,
} from "../linux/bpf.ts";
import { ERRNO } from "../linux/errno.ts";
import { type Abi, ARM_PRIVATE, syscallTable } from "../linux/syscalltable.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompOp, SeccompRule } from "../spec/seccomp.ts";
import { subcall } from "./seccompsubcall.ts";

export interface Test {
  readonly index: number;
  readonly op: SeccompOp;
  /** All ones unless the operator is MASKED_EQ. */
  readonly mask: bigint;
  readonly value: bigint;
}

/** If all tests hold, `result` is what the filter returns. */
export interface Step {
  readonly tests: readonly Test[];
  readonly result: number;
}

export interface AbiRules {
  /** The first step that matches decides; if none does, the default. */
  readonly steps: ReadonlyMap<number, readonly Step[]>;
  /** The highest number that any rule names; undefined if none names a call of this interface. */
  readonly newest: number | undefined;
}

const ALL_ONES = 2n ** 64n - 1n;

export function resultOf(action: SeccompAction, errno: number | undefined): number {
  switch (action) {
    case "SCMP_ACT_ALLOW":
      return SECCOMP_RET_ALLOW;
    case "SCMP_ACT_ERRNO":
      return SECCOMP_RET_ERRNO | (errno ?? ERRNO.EPERM);
    case "SCMP_ACT_TRACE":
      return SECCOMP_RET_TRACE | (errno ?? ERRNO.EPERM);
    case "SCMP_ACT_LOG":
      return SECCOMP_RET_LOG;
    case "SCMP_ACT_NOTIFY":
      return SECCOMP_RET_USER_NOTIF;
    case "SCMP_ACT_TRAP":
      return SECCOMP_RET_TRAP;
    case "SCMP_ACT_KILL_PROCESS":
      return SECCOMP_RET_KILL_PROCESS;
    // SECCOMP_RET_KILL of seccomp(2): the thread.
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return SECCOMP_RET_KILL_THREAD;
  }
}

/** 32-bit interfaces, x32 among them: the upper halves of arguments are not looked at. */
export function isWide(abi: Abi): boolean {
  return abi === "X86_64" || abi === "AARCH64";
}

export function rulesFor(profile: Seccomp, abi: Abi): AbiRules {
  const table = syscallTable(abi);
  const byDefault = resultOf(profile.defaultAction, profile.defaultErrnoRet);
  const found = new Map<number, Step[]>();
  let newest: number | undefined;
  const add = (number: number, step: Step) => {
    const steps = found.get(number);
    if (steps) steps.push(step);
    else found.set(number, [step]);
  };
  for (const rule of profile.syscalls ?? []) {
    const result = resultOf(rule.action, rule.errnoRet);
    const alternatives = testsOf(rule, isWide(abi));
    for (const name of rule.names) {
      const number = table.get(name);
      if (number !== undefined && (abi !== "ARM" || number < ARM_PRIVATE)) newest = Math.max(newest ?? 0, number);
      // Such a rule says nothing; in particular it does not take part in the order below.
      if (result === byDefault) continue;
      for (const tests of alternatives) {
        if (number !== undefined) add(number, { tests, result });
        const part = abi === "X86" ? subcall(name, { tests, result }) : undefined;
        if (part) add(part.number, part.step);
      }
    }
  }
  return { steps: new Map([...found].map(([number, steps]) => [number, decide(steps, isWide(abi))])), newest };
}

/**
 * What of a rule are alternatives: one list of tests, that all have to hold; but each by itself as soon as two are about the same
 * argument. So do runc and crun, for the sake of old profiles.
 */
function testsOf(rule: SeccompRule, wide: boolean): (readonly Test[])[] {
  const args = rule.args ?? [];
  const tests = args.map(testOf).filter((test) => (wide ? test.mask : test.mask & 0xffffffffn) !== 0n);
  if (new Set(args.map((arg) => arg.index)).size < args.length)
    return tests.length < args.length ? [[]] : tests.map((test) => [test]);
  return [tests.sort((a, b) => a.index - b.index)];
}

function testOf({ index, op, value, valueTwo }: SeccompArg): Test {
  if (op !== "SCMP_CMP_MASKED_EQ") return { index, op, mask: ALL_ONES, value: BigInt(value) };
  const mask = BigInt(value);
  return { index, op, mask, value: BigInt(valueTwo ?? 0) & mask };
}

/** The first rule without tests decides alone, wherever it stands; else the order is libseccomp's. */
function decide(steps: readonly Step[], wide: boolean): readonly Step[] {
  if (steps.length === 1) return steps;
  const plain = steps.find((step) => step.tests.length === 0);
  if (plain) return [plain];
  const same = steps.every((step) => step.result === steps[0]?.result);
  return same
    ? steps
    : inOrder(
        steps.map((step) => ({ step, halves: halvesOf(step.tests, wide) })),
        0,
      );
}

/** A test of 32 bits: what libseccomp makes a level of its tree from. */
interface Half {
  /** Higher first. */
  readonly argument: number;
  /** Higher first: equality before upper before lower bounds. */
  readonly strength: number;
  /** Higher first: of upper bounds the lowest value, else the highest. */
  readonly value: number;
  readonly key: string;
}

interface Path {
  readonly step: Step;
  readonly halves: readonly Half[];
}

/**
 * Where two rules of one call match and do not agree, libseccomp lets the order of its decision tree decide: rules that test
 * the same come together, and stand where the first of them does.
 */
function inOrder(paths: readonly Path[], depth: number): Step[] {
  const groups = new Map<string, { first: Half; paths: Path[] }>();
  const ended: Step[] = [];
  for (const path of paths) {
    const half = path.halves[depth];
    if (!half) {
      ended.push(path.step);
      continue;
    }
    const group = groups.get(half.key);
    if (group) group.paths.push(path);
    else groups.set(half.key, { first: half, paths: [path] });
  }
  const sorted = [...groups.values()].sort(
    ({ first: a }, { first: b }) => b.argument - a.argument || b.strength - a.strength || b.value - a.value,
  );
  return [...ended, ...sorted.flatMap((group) => inOrder(group.paths, depth + 1))];
}

const STRENGTH: Record<SeccompOp, number> = {
  SCMP_CMP_EQ: 3,
  SCMP_CMP_NE: 3,
  SCMP_CMP_MASKED_EQ: 3,
  SCMP_CMP_LE: 2,
  SCMP_CMP_LT: 2,
  SCMP_CMP_GE: 1,
  SCMP_CMP_GT: 1,
};

function halvesOf(tests: readonly Test[], wide: boolean): Half[] {
  return tests.flatMap((test) => (wide ? [halfOf(test, true), halfOf(test, false)] : [halfOf(test, false)]));
}

function halfOf({ index, op, mask, value }: Test, high: boolean): Half {
  const cut = (n: bigint) => Number(high ? n >> 32n : n & 0xffffffffn);
  const kind = {
    SCMP_CMP_EQ: "equal",
    SCMP_CMP_NE: "equal",
    SCMP_CMP_MASKED_EQ: "masked",
    SCMP_CMP_GT: "above",
    SCMP_CMP_LE: "above",
    SCMP_CMP_GE: high ? "above" : "from",
    SCMP_CMP_LT: high ? "above" : "from",
  }[op];
  return {
    argument: 2 * index + (high ? 1 : 0),
    strength: STRENGTH[op],
    value: STRENGTH[op] === 2 ? -cut(value) : cut(value),
    key: `${index} ${high} ${kind} ${cut(mask)} ${cut(value)}`,
  };
}
