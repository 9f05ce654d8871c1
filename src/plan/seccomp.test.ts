import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type Call, checkBpf, runBpf, seccompData } from "../../test/bpf.ts";
import { refusal } from "../../test/facts.ts";
import { holds, readPlainly } from "../../test/plainseccomp.ts";
import { type BpfInstruction, decodeBpf } from "../linux/bpf.ts";
import { type Abi, syscallTable, X32_BIT } from "../linux/syscalltable.ts";
import {
  SECCOMP_OPS,
  type Seccomp,
  type SeccompAction,
  type SeccompArg,
  type SeccompOp,
  type SeccompRule,
} from "../spec/seccomp.ts";
import { defaultSeccomp } from "../spec/seccompdefault.ts";
import { compileSeccomp, installSeccomp } from "./seccomp.ts";

const X64 = 0xc000003e;
const I386 = 0x40000003;
const ARM64 = 0xc00000b7;
const ARM32 = 0x40000028;

const ALLOW = 0x7fff0000;
const KILL_PROCESS = 0x80000000;
const errno = (code: number) => 0x50000 + code;
const [EPERM, ENOSYS] = [errno(1), errno(38)];

const compiled = (profile: Seccomp, arch: "x64" | "arm64" = "x64"): BpfInstruction[] => {
  const program = decodeBpf(compileSeccomp(profile, arch).program);
  checkBpf(program);
  return program;
};
const verdict = (program: readonly BpfInstruction[], arch: number, nr: number, ...args: bigint[]) =>
  runBpf(program, seccompData({ arch, nr, args: [...args, 0n, 0n, 0n, 0n, 0n, 0n].slice(0, 6) })).action;
const number = (abi: Abi, name: string) => syscallTable(abi).get(name) ?? Number.NaN;
const denying = (...syscalls: SeccompRule[]): Seccomp => ({ defaultAction: "SCMP_ACT_ERRNO", syscalls });
const allow = (name: string, ...args: SeccompArg[]): SeccompRule => ({
  names: [name],
  action: "SCMP_ACT_ALLOW",
  ...(args.length > 0 ? { args } : {}),
});
const arg = (index: number, op: SeccompOp, value: number | bigint, valueTwo?: number | bigint): SeccompArg => ({
  index,
  op,
  value,
  ...(valueTwo === undefined ? {} : { valueTwo }),
});

const ACTIONS: [SeccompAction, number, number | undefined][] = [
  ["SCMP_ACT_KILL", 0, undefined],
  ["SCMP_ACT_KILL_THREAD", 0, undefined],
  ["SCMP_ACT_KILL_PROCESS", 0x80000000, undefined],
  ["SCMP_ACT_TRAP", 0x30000, undefined],
  ["SCMP_ACT_ERRNO", 0x50001, undefined],
  ["SCMP_ACT_ERRNO", 0x50061, 97],
  ["SCMP_ACT_ERRNO", 0x50000, 0],
  ["SCMP_ACT_TRACE", 0x7ff00001, undefined],
  ["SCMP_ACT_TRACE", 0x7ff0beef, 0xbeef],
  ["SCMP_ACT_ALLOW", 0x7fff0000, undefined],
  ["SCMP_ACT_LOG", 0x7ffc0000, undefined],
  ["SCMP_ACT_NOTIFY", 0x7fc00000, undefined],
];

describe("actions", () => {
  test.each(ACTIONS)("%s is 0x%x with errno %p", (action, value, errnoRet) => {
    const said = errnoRet === undefined ? {} : { errnoRet };
    const other = action === "SCMP_ACT_TRAP" ? "SCMP_ACT_KILL_PROCESS" : "SCMP_ACT_TRAP";
    const program = compiled({ defaultAction: other, syscalls: [{ names: ["read"], action, ...said }] });
    expect(verdict(program, X64, 0)).toBe(value);
  });

  test.each(ACTIONS)("%s by default is 0x%x with errno %p", (defaultAction, value, defaultErrnoRet) => {
    const program = compiled({ defaultAction, ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }) });
    for (const nr of [0, 1, 400, 0x3fffffff]) expect(verdict(program, X64, nr)).toBe(value);
    expect(verdict(program, I386, 0)).toBe(KILL_PROCESS);
    expect(verdict(program, X64, X32_BIT)).toBe(KILL_PROCESS);
  });
});

describe("operators at their boundaries", () => {
  const VALUES = [0n, 1n, 5n, 0xffffffffn, 0x100000000n, 0x100000005n, 0x7fffffffffffffffn, 0xffffffffffffffffn];
  const AROUND = [...new Set(VALUES.flatMap((v) => [v - 1n, v, v + 1n, v ^ (1n << 32n)]))].map((v) =>
    BigInt.asUintN(64, v),
  );
  for (const op of SECCOMP_OPS)
    test(op, () => {
      for (const index of [0, 5])
        for (const value of VALUES) {
          const program = compiled(denying(allow("read", arg(index, op, value, 1n << 32n))));
          for (const given of AROUND) {
            const args = [0n, 0n, 0n, 0n, 0n, 0n].with(index, given);
            const expected = holds(op, given, value, 1n << 32n) ? ALLOW : EPERM;
            expect([op, value, given, verdict(program, X64, 0, ...args)]).toEqual([op, value, given, expected]);
          }
        }
    });
});

describe("rules of one call", () => {
  test("tests of a rule have all to hold, rules are alternatives", () => {
    const program = compiled(
      denying(
        allow("read", arg(0, "SCMP_CMP_EQ", 1), arg(1, "SCMP_CMP_GT", 9)),
        allow("read", arg(2, "SCMP_CMP_LT", 3)),
      ),
    );
    expect(verdict(program, X64, 0, 1n, 10n, 5n)).toBe(ALLOW);
    expect(verdict(program, X64, 0, 1n, 9n, 5n)).toBe(EPERM);
    expect(verdict(program, X64, 0, 2n, 10n, 5n)).toBe(EPERM);
    expect(verdict(program, X64, 0, 2n, 0n, 2n)).toBe(ALLOW);
  });

  test("two tests of one argument are alternatives, as in runc", () => {
    const program = compiled(denying(allow("read", arg(0, "SCMP_CMP_EQ", 1), arg(0, "SCMP_CMP_EQ", 2))));
    expect([1n, 2n, 3n].map((v) => verdict(program, X64, 0, v))).toEqual([ALLOW, ALLOW, EPERM]);
  });

  test("one without tests decides, and the first of those", () => {
    const trap: SeccompRule = { names: ["read"], action: "SCMP_ACT_TRAP" };
    const killed: SeccompRule = { names: ["read"], action: "SCMP_ACT_KILL" };
    const program = compiled(denying(allow("read", arg(0, "SCMP_CMP_EQ", 1)), trap, allow("read"), killed));
    expect(verdict(program, X64, 0, 1n)).toBe(0x30000);
  });

  test("one that says what holds by default says nothing", () => {
    const refuse: SeccompRule = { names: ["read"], action: "SCMP_ACT_ERRNO", errnoRet: 1 };
    expect(verdict(compiled(denying(refuse, allow("read"))), X64, 0)).toBe(ALLOW);
  });

  test("equality goes before bounds, narrow bounds before wide ones", () => {
    const say = (errnoRet: number, ...args: SeccompArg[]): SeccompRule => ({
      ...{ names: ["read"], action: "SCMP_ACT_ERRNO", errnoRet, args },
    });
    const program = compiled({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        say(10, arg(0, "SCMP_CMP_GE", 10)),
        say(20, arg(0, "SCMP_CMP_GE", 20)),
        say(30, arg(0, "SCMP_CMP_EQ", 30)),
        say(5, arg(0, "SCMP_CMP_LT", 5)),
        say(3, arg(0, "SCMP_CMP_LT", 3)),
      ],
    });
    expect([0n, 4n, 7n, 15n, 25n, 30n].map((v) => verdict(program, X64, 0, v) & 0xffff)).toEqual([3, 5, 0, 10, 20, 30]);
  });
});

describe("machines", () => {
  const everywhere: Seccomp = {
    ...denying(allow("read"), allow("openat"), allow("cacheflush")),
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"],
  };

  test("each has its own numbers", () => {
    const x64 = compiled(everywhere);
    expect(verdict(x64, X64, 0)).toBe(ALLOW);
    expect(verdict(x64, X64, X32_BIT)).toBe(ALLOW);
    expect(verdict(x64, X64, X32_BIT + 1)).toBe(EPERM);
    expect(verdict(x64, I386, 3)).toBe(ALLOW);
    expect(verdict(x64, I386, 0)).toBe(EPERM);
    expect(verdict(x64, ARM64, 63)).toBe(KILL_PROCESS);
    const arm64 = compiled(everywhere, "arm64");
    expect(verdict(arm64, ARM64, 63)).toBe(ALLOW);
    expect(verdict(arm64, ARM64, 62)).toBe(EPERM);
    expect(verdict(arm64, ARM32, 3)).toBe(ALLOW);
    expect(verdict(arm64, X64, 0)).toBe(KILL_PROCESS);
  });

  test("only the native one if none is listed", () => {
    const program = compiled(denying(allow("read")));
    expect(verdict(program, X64, 0)).toBe(ALLOW);
    expect(verdict(program, I386, 3)).toBe(KILL_PROCESS);
    expect(verdict(program, X64, X32_BIT)).toBe(KILL_PROCESS);
    expect(verdict(program, X64, 0xffffffff)).toBe(ENOSYS);
  });

  test("calls newer than the profile answer ENOSYS, unless it lets things pass", () => {
    const program = compiled(everywhere);
    expect(verdict(program, X64, number("X86_64", "openat") + 1)).toBe(ENOSYS);
    expect(verdict(program, X64, number("X86_64", "openat") - 1)).toBe(EPERM);
    expect(verdict(program, X64, number("X32", "openat") + 1)).toBe(ENOSYS);
    expect(verdict(program, I386, number("X86", "openat") + 1)).toBe(ENOSYS);
    const arm64 = compiled(everywhere, "arm64");
    expect(verdict(arm64, ARM32, number("ARM", "openat") + 1)).toBe(ENOSYS);
    expect(verdict(arm64, ARM32, number("ARM", "cacheflush"))).toBe(ALLOW);
    expect(verdict(arm64, ARM32, number("ARM", "set_tls"))).toBe(EPERM);
    const lenient = compiled({ defaultAction: "SCMP_ACT_LOG", syscalls: [allow("read")] });
    expect(verdict(lenient, X64, 500)).toBe(0x7ffc0000);
  });

  test("32-bit ones compare the lower halves", () => {
    const program = compiled({
      ...denying(allow("read", arg(0, "SCMP_CMP_EQ", 7))),
      architectures: ["SCMP_ARCH_X32", "SCMP_ARCH_X86"],
    });
    expect(verdict(program, X64, 0, 0x100000007n)).toBe(EPERM);
    expect(verdict(program, X64, X32_BIT, 0x100000007n)).toBe(ALLOW);
    expect(verdict(program, I386, 3, 7n)).toBe(ALLOW);
    expect(verdict(program, I386, 3, 8n)).toBe(EPERM);
  });

  test("names that a machine does not have are passed over", () => {
    const program = compiled(denying(allow("no_such_call"), allow("socketcall"), allow("read")));
    expect(verdict(program, X64, 0)).toBe(ALLOW);
  });

  test("socketcall and ipc of 32-bit x86 follow the calls they stand for", () => {
    const on: Seccomp["architectures"] = ["SCMP_ARCH_X86"];
    const [socketcall, ipc] = [number("X86", "socketcall"), number("X86", "ipc")];
    const wide = compiled({ ...denying(allow("connect"), allow("semop")), architectures: on });
    expect([3n, 1n].map((v) => verdict(wide, I386, socketcall, v))).toEqual([ALLOW, EPERM]);
    expect([1n, 2n].map((v) => verdict(wide, I386, ipc, v))).toEqual([ALLOW, EPERM]);
    const narrow = compiled({ ...denying(allow("socket", arg(0, "SCMP_CMP_EQ", 1)), allow("ipc")), architectures: on });
    expect(verdict(narrow, I386, number("X86", "socket"), 1n)).toBe(ALLOW);
    expect(verdict(narrow, I386, socketcall, 1n)).toBe(EPERM);
    const open = compiled({
      ...{ defaultAction: "SCMP_ACT_ALLOW", architectures: on },
      syscalls: [{ names: ["socket"], action: "SCMP_ACT_ERRNO", args: [arg(0, "SCMP_CMP_EQ", 40)] }],
    });
    expect([1n, 2n].map((v) => verdict(open, I386, socketcall, v))).toEqual([EPERM, ALLOW]);
  });
});

describe("size", () => {
  test("far jumps", () => {
    // Hundreds of tests on one call put everything behind it out of reach of a comparison.
    const values = Array.from({ length: 900 }, (_, i) => BigInt(i) * 3n);
    const syscalls = ["read", "sendto", "openat"].map((name) =>
      values.slice(0, 300).map((v) => allow(name, arg(1, "SCMP_CMP_EQ", v), arg(2, "SCMP_CMP_EQ", 0))),
    );
    const program = compiled(denying(...syscalls.flat(), allow("write"), allow("futex")));
    expect(program.length).toBeGreaterThan(1200);
    for (const nr of [0, 44, 257]) {
      for (const v of [0n, 3n, 450n, 897n]) expect(verdict(program, X64, nr, 0n, v)).toBe(ALLOW);
      for (const v of [1n, 451n, 900n]) expect(verdict(program, X64, nr, 0n, v)).toBe(EPERM);
    }
    expect([1, 202, 2].map((nr) => verdict(program, X64, nr))).toEqual([ALLOW, ALLOW, EPERM]);
  });

  test("a profile that does not fit is refused", () => {
    const many = Array.from({ length: 20000 }, (_, i) => allow("read", arg(i % 6, "SCMP_CMP_EQ", i)));
    const { code, message } = refusal(() => compileSeccomp(denying(...many), "x64"));
    expect(code).toBe("INVALID");
    expect(message).toBe("seccomp: the profile needs more than 4096 instructions, the most that the kernel takes");
  });
});

describe("flags", () => {
  const flags = (profile: Partial<Seccomp>) => compileSeccomp({ ...denying(allow("read")), ...profile }, "x64").flags;
  const notify: SeccompRule = { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" };

  test("are the kernel's", () => {
    expect(flags({})).toBe(0);
    expect(flags({ flags: ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"] })).toBe(3);
    expect(flags({ flags: ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] })).toBe(4);
  });

  test("a listener comes with NOTIFY, and what cannot go with or without one is left out", () => {
    const said: Seccomp["flags"] = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"];
    expect(flags({ syscalls: [notify], flags: said })).toBe(40);
    expect(flags({ flags: said })).toBe(1);
  });
});

test("the op is seccomp(2) with a struct sock_fprog", () => {
  const op = installSeccomp(compileSeccomp(denying(allow("read")), "x64"));
  const [install] = op.does;
  if (install?.do !== "sys" || typeof install.args[2] !== "object" || !("kind" in install.args[2]))
    throw new Error("no call");
  expect([op.where, install.call, install.args[0], install.args[1]]).toEqual(["container", "seccomp", 1, 0]);
  const fprog = install.args[2];
  if (fprog.kind !== "data") throw new Error("no data");
  const [link] = fprog.links;
  if (link?.put !== "address" || typeof link.of !== "object" || link.of.kind !== "data") throw new Error("no address");
  expect(fprog.bytes.length).toBe(16);
  expect(new DataView(fprog.bytes.buffer).getUint16(0, true) * 8).toBe(link.of.bytes.length);
  expect(link.at).toBe(8);
});

describe("random profiles say what their rules say", () => {
  const NAMES =
    "read write openat futex mmap clone ptrace mount bpf statx mseal execve prctl getpid open uselib stat64".split(" ");
  const word = fc.oneof(
    fc.bigInt({ min: 0n, max: 8n }),
    fc.constantFrom(0xffffffffn, 0x100000000n, 0x100000001n, 0xffffffffffffffffn, 0xfffffffffffffffen, 0x7e020000n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const argument = fc.record({
    index: fc.integer({ min: 0, max: 5 }),
    op: fc.constantFrom(...SECCOMP_OPS),
    value: word,
    valueTwo: word,
  });
  // Where rules that test arguments disagree, order counts: test/interop compares that. Here each call's tests agree.
  const rule = (name: string) =>
    fc
      .tuple(
        fc.array(fc.array(argument, { minLength: 1, maxLength: 3 }), { maxLength: 4 }),
        fc.constantFrom(...ACTIONS),
        fc.option(fc.constantFrom(...ACTIONS), { nil: undefined, freq: 3 }),
      )
      .map(([alternatives, [action, , e], plain]): SeccompRule[] => [
        ...alternatives.map((args) => ({ names: [name], action, ...(e === undefined ? {} : { errnoRet: e }), args })),
        ...(plain
          ? [{ names: [name], action: plain[0], ...(plain[2] === undefined ? {} : { errnoRet: plain[2] }) }]
          : []),
      ]);
  const profile = fc
    .tuple(
      fc.constantFrom(...ACTIONS),
      fc.uniqueArray(fc.constantFrom(...NAMES)).chain((names) => fc.tuple(...names.map(rule))),
    )
    .map(
      ([[defaultAction, , e], rules]): Seccomp => ({
        defaultAction,
        ...(e === undefined ? {} : { defaultErrnoRet: e }),
        architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"],
        syscalls: rules.flat(),
      }),
    );
  const call = fc.tuple(fc.constantFrom(...NAMES, 0, 335, 500, 1000), fc.array(word, { minLength: 6, maxLength: 6 }));
  const abis: [number, Abi, "x64" | "arm64"][] = [
    [X64, "X86_64", "x64"],
    [X64, "X32", "x64"],
    [I386, "X86", "x64"],
    [ARM64, "AARCH64", "arm64"],
    [ARM32, "ARM", "arm64"],
  ];

  test("on every machine", () => {
    fc.assert(
      fc.property(profile, fc.array(call, { minLength: 20, maxLength: 40 }), (filter, calls) => {
        const programs = { x64: compiled(filter), arm64: compiled(filter, "arm64") };
        for (const [audit, abi, arch] of abis)
          for (const [which, args] of calls) {
            const nr = typeof which === "string" ? number(abi, which) : abi === "X32" ? X32_BIT + which : which;
            if (Number.isNaN(nr)) continue;
            const data: Call = { arch: audit, nr, args };
            expect(runBpf(programs[arch], seccompData(data)).action).toBe(readPlainly(filter, abi, nr, args));
          }
      }),
      { numRuns: 300 },
    );
  });

  test("our own is small and short", () => {
    for (const arch of ["x64", "arm64"] as const) {
      const program = compiled(defaultSeccomp(arch, []), arch);
      expect(program.length).toBeLessThan(600);
      const audit = arch === "x64" ? X64 : ARM64;
      for (const name of ["read", "write", "openat", "futex"]) {
        const nr = number(arch === "x64" ? "X86_64" : "AARCH64", name);
        const { action, steps } = runBpf(program, seccompData({ arch: audit, nr, args: [0n, 0n, 0n, 0n, 0n, 0n] }));
        expect(action).toBe(ALLOW);
        expect(steps).toBeLessThan(14);
      }
    }
  });
});
