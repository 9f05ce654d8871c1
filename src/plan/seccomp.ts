/** A seccomp profile as a program for the kernel, and the op that installs it. seccomp(2) */

import { invalid } from "../errors.ts";
import type { Arch } from "../linux/arch.ts";
import {
  BPF_MOST,
  BPF_SIZE,
  DATA_ARCH,
  DATA_NR,
  dataArgument,
  encodeBpf,
  SECCOMP_FILTER_FLAG_LOG,
  SECCOMP_FILTER_FLAG_NEW_LISTENER,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW,
  SECCOMP_FILTER_FLAG_TSYNC,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
  SECCOMP_RET_ERRNO,
  SECCOMP_RET_KILL_PROCESS,
  SECCOMP_SET_MODE_FILTER,
} from "../linux/bpf.ts";
import { ERRNO } from "../linux/errno.ts";
import { type Abi, ARM_PRIVATE, X32_BIT } from "../linux/syscalltable.ts";
import type { Seccomp, SeccompArch } from "../spec/seccomp.ts";
import { type Code, CodeMaker, layOut } from "./bpfprogram.ts";
import { bytes, pointer, struct, sys, u16, u32 } from "./instructions.ts";
import { inside } from "./op.ts";
import type { Op } from "./plan.ts";
import { type AbiRules, isWide, resultOf, rulesFor, type Step, type Test } from "./seccomprules.ts";

export interface CompiledSeccomp {
  /** struct sock_filter[] */
  readonly program: Uint8Array;
  /** For seccomp(2): SECCOMP_FILTER_FLAG_... With NEW_LISTENER the call returns a descriptor. */
  readonly flags: number;
}

/** A compiled profile as it is kept with a run: struct sock_filter[] in base64, and flags of seccomp(2). */
export interface KeptFilter {
  readonly program: string;
  readonly flags: number;
}

export function keptFilter(profile: Seccomp, arch: Arch): KeptFilter {
  const { program, flags } = compileSeccomp(profile, arch);
  return { program: Buffer.from(program).toString("base64"), flags };
}

/** AUDIT_ARCH_... of linux/audit.h, and whose calls come under it; the native one first. */
const MACHINES: Record<Arch, readonly { readonly audit: number; readonly abi: Abi }[]> = {
  x64: [
    { audit: 0xc000003e, abi: "X86_64" },
    { audit: 0x40000003, abi: "X86" },
  ],
  arm64: [
    { audit: 0xc00000b7, abi: "AARCH64" },
    { audit: 0x40000028, abi: "ARM" },
  ],
};

/** A killed thread leaves the rest of its process waiting for it; so all of it goes. */
const BAD_ARCHITECTURE = SECCOMP_RET_KILL_PROCESS;

export function compileSeccomp(profile: Seccomp, arch: Arch): CompiledSeccomp {
  const program = layOut(new Compiler(profile).machine(arch));
  if (!program)
    throw invalid(
      `seccomp: the profile needs more than ${BPF_MOST} instructions, the most that the kernel takes`,
      "fewer rules with arguments, or fewer architectures",
    );
  return { program: encodeBpf(program), flags: flagsOf(profile) };
}

export function installSeccomp({ program, flags }: CompiledSeccomp): Op {
  const count = program.length / BPF_SIZE;
  const filter = struct([u16(count), u16(0), u32(0), pointer(bytes(program))]); // struct sock_fprog
  const told = {
    call: "seccomp",
    object: `SECCOMP_SET_MODE_FILTER of ${count} instructions`,
    why: "From here on the kernel refuses system calls that the profile does not allow, to this process and all it starts.",
  };
  return inside(told, [sys("seccomp", [SECCOMP_SET_MODE_FILTER, flags, filter])]);
}

function flagsOf(profile: Seccomp): number {
  const said = new Set(profile.flags);
  const listens = profile.syscalls?.some((rule) => rule.action === "SCMP_ACT_NOTIFY") ?? false;
  let flags = listens ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;
  // The kernel refuses these two with, and without, a listener. There is one thread only when the filter is installed.
  if (said.has("SECCOMP_FILTER_FLAG_TSYNC") && !listens) flags |= SECCOMP_FILTER_FLAG_TSYNC;
  if (said.has("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") && listens) flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  if (said.has("SECCOMP_FILTER_FLAG_LOG")) flags |= SECCOMP_FILTER_FLAG_LOG;
  if (said.has("SECCOMP_FILTER_FLAG_SPEC_ALLOW")) flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return flags;
}

/** From this number to the next range's: what is done. */
interface Range {
  readonly from: number;
  readonly code: Code;
}

class Compiler {
  readonly #profile: Seccomp;
  readonly #make = new CodeMaker();
  readonly #byDefault: Code;
  /** For calls newer than the profile. */
  readonly #unknown: Code;

  constructor(profile: Seccomp) {
    this.#profile = profile;
    this.#byDefault = this.#make.return(resultOf(profile.defaultAction, profile.defaultErrnoRet));
    // As runc: a program that hears EPERM of a call that its profile could not know gives up instead of falling back.
    const lenient = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"].includes(profile.defaultAction);
    this.#unknown = lenient ? this.#byDefault : this.#make.return(SECCOMP_RET_ERRNO | ERRNO.ENOSYS);
  }

  machine(arch: Arch): Code {
    let code = this.#make.return(BAD_ARCHITECTURE);
    for (const { audit, abi } of MACHINES[arch].toReversed())
      if (abi === MACHINES[arch][0]?.abi || this.#lists(abi))
        code = this.#make.when("jeq", audit, this.#make.load(DATA_NR, this.#calls(abi)), code);
    return this.#make.load(DATA_ARCH, code);
  }

  #lists(abi: Abi): boolean {
    return this.#profile.architectures?.includes(`SCMP_ARCH_${abi}` satisfies SeccompArch) ?? false;
  }

  #calls(abi: Abi): Code {
    const own = this.#search(this.#ranges(abi, 0));
    if (abi !== "X86_64") return own;
    // -1 is what a tracer puts where a call is to be skipped: it is of no interface.
    const x32 = this.#lists("X32")
      ? this.#search(this.#ranges("X32", X32_BIT))
      : this.#make.when("jeq", 0xffffffff, this.#unknown, this.#make.return(BAD_ARCHITECTURE));
    return this.#make.when("jge", X32_BIT, x32, own);
  }

  #ranges(abi: Abi, first: number): Range[] {
    const rules = rulesFor(this.#profile, abi);
    const starts = new Set([first]);
    for (const number of rules.steps.keys()) starts.add(number).add(number + 1);
    if (rules.newest !== undefined) starts.add(rules.newest + 1);
    if (abi === "ARM") starts.add(ARM_PRIVATE);
    const result: Range[] = [];
    for (const from of Uint32Array.from(starts).sort()) {
      const code = this.#call(rules, abi, from);
      if (result.at(-1)?.code !== code) result.push({ from, code });
    }
    return result;
  }

  #call({ steps, newest }: AbiRules, abi: Abi, number: number): Code {
    const old = newest === undefined || number <= newest || (abi === "ARM" && number >= ARM_PRIVATE);
    let code = old ? this.#byDefault : this.#unknown;
    const said = steps.get(number);
    if (!said) return code;
    const left = [...said];
    for (let step = left.pop(); step; step = left.pop()) {
      const matched = this.#make.return(step.result);
      const [only] = step.tests;
      if (step.tests.length === 1 && only?.op === "SCMP_CMP_EQ")
        code = this.#oneOf(only, matched, left, isWide(abi), code);
      else code = step.tests.reduceRight((yes, test) => this.#test(test, isWide(abi), yes, code), matched);
    }
    return code;
  }

  /** Values of one argument are compared in a row; those before `last` are taken from the steps that are left. */
  #oneOf(last: Test, matched: Code, left: Step[], wide: boolean, no: Code): Code {
    const { index, value } = last;
    let low = this.#make.when("jeq", lower(value), matched, no);
    for (let step = left.at(-1); step; step = left.at(-1)) {
      const [test] = step.tests;
      const alike = test?.op === last.op && test.index === index && upper(test.value) === upper(value);
      if (step.tests.length !== 1 || !alike) break;
      low = this.#make.when("jeq", lower(test.value), this.#make.return(step.result), low);
      left.pop();
    }
    const code = this.#make.load(dataArgument(index), low);
    return wide ? this.#make.load(dataArgument(index) + 4, this.#make.when("jeq", upper(value), code, no)) : code;
  }

  /** A balanced tree of comparisons; a single call between two ranges that are treated alike takes one. */
  #search(ranges: readonly Range[]): Code {
    const [first, second, third] = ranges;
    if (!first || !second) return first?.code ?? this.#byDefault;
    if (third && ranges.length === 3 && first.code === third.code && third.from === second.from + 1)
      return this.#make.when("jeq", second.from, second.code, first.code);
    const middle = ranges.length >> 1;
    const [low, high] = [ranges.slice(0, middle), ranges.slice(middle)];
    return this.#make.when("jge", high[0]?.from ?? 0, this.#search(high), this.#search(low));
  }

  #test({ index, op, mask, value }: Test, wide: boolean, yes: Code, no: Code): Code {
    switch (op) {
      case "SCMP_CMP_NE":
        return this.#equal(index, mask, value, wide, no, yes);
      case "SCMP_CMP_EQ":
      case "SCMP_CMP_MASKED_EQ":
        return this.#equal(index, mask, value, wide, yes, no);
      case "SCMP_CMP_LT":
        return this.#above(index, "jge", value, wide, no, yes);
      case "SCMP_CMP_LE":
        return this.#above(index, "jgt", value, wide, no, yes);
      case "SCMP_CMP_GE":
      case "SCMP_CMP_GT":
        return this.#above(index, op === "SCMP_CMP_GE" ? "jge" : "jgt", value, wide, yes, no);
    }
  }

  #equal(index: number, mask: bigint, value: bigint, wide: boolean, yes: Code, no: Code): Code {
    const half = (at: number, mask: number, value: number, yes: Code) => {
      if (mask === 0) return yes;
      const compare = this.#make.when("jeq", value, yes, no);
      return this.#make.load(dataArgument(index) + at, mask === 0xffffffff ? compare : this.#make.and(mask, compare));
    };
    const low = half(0, lower(mask), lower(value), yes);
    return wide ? half(4, upper(mask), upper(value), low) : low;
  }

  /** The upper halves decide, unless they are equal. */
  #above(index: number, op: "jge" | "jgt", value: bigint, wide: boolean, yes: Code, no: Code): Code {
    const at = dataArgument(index);
    const low = this.#make.load(at, this.#make.when(op, lower(value), yes, no));
    if (!wide) return low;
    const equal = this.#make.when("jeq", upper(value), low, no);
    return this.#make.load(at + 4, this.#make.when("jgt", upper(value), yes, equal));
  }
}

const lower = (value: bigint) => Number(value & 0xffffffffn);
const upper = (value: bigint) => Number(value >> 32n);
