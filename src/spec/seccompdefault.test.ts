import { describe, expect, test } from "bun:test";
import { runBpf, seccompData } from "../../test/bpf.ts";
import { decodeBpf } from "../linux/bpf.ts";
import { CAPABILITIES } from "../linux/capabilities.ts";
import { type Abi, syscallTable } from "../linux/syscalltable.ts";
import { compileSeccomp } from "../plan/seccomp.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { checkSeccomp } from "./seccomp.ts";
import { ALLOWED, BY_CAPABILITY, DENIED, defaultSeccomp } from "./seccompdefault.ts";

const ABIS: readonly Abi[] = ["X86_64", "X86", "X32", "AARCH64", "ARM"];
const AUDIT: Record<Abi, number> = {
  X86_64: 0xc000003e,
  X86: 0x40000003,
  X32: 0xc000003e,
  AARCH64: 0xc00000b7,
  ARM: 0x40000028,
};
const allowed = Object.values(ALLOWED).flat();
const byCapability = Object.values(BY_CAPABILITY).flat();
const denied = Object.values(DENIED).flat();
/** Told by an argument. */
const PARTLY = ["socket", "socketpair", "personality"];

/** A call's errno; 0 if it is allowed. */
function answers(abi: Abi, capabilities: readonly string[]) {
  const arch = abi === "AARCH64" || abi === "ARM" ? "arm64" : "x64";
  const program = decodeBpf(compileSeccomp(defaultSeccomp(arch, capabilities), arch).program);
  return (call: string | number, ...args: (number | bigint)[]) => {
    const nr = typeof call === "number" ? call : (syscallTable(abi).get(call) ?? Number.NaN);
    const words = [...args, 0, 0, 0, 0, 0, 0].slice(0, 6).map(BigInt);
    const { action } = runBpf(program, seccompData({ arch: AUDIT[abi], nr, args: words }));
    if (action === 0x7fff0000) return 0;
    if (action >>> 16 !== 5) throw new Error(`0x${action.toString(16)}`);
    return action & 0xffff;
  };
}

describe("the lists", () => {
  test("hold every call of every machine, in one place each", () => {
    const all = new Set(ABIS.flatMap((abi) => [...syscallTable(abi).keys()]));
    const said = [...allowed, ...new Set(byCapability), ...denied, ...PARTLY];
    expect(said.filter((name) => !all.has(name))).toEqual([]);
    expect([...all].filter((name) => !said.includes(name))).toEqual([]);
    expect(said.filter((name, i) => said.indexOf(name) !== i)).toEqual([]);
  });

  test("are a profile that we would read", () => {
    for (const arch of ["x64", "arm64"] as const) {
      const profile = defaultSeccomp(arch, DEFAULT_CAPABILITIES);
      expect(checkSeccomp(JSON.parse(JSON.stringify(profile)), "p")).toEqual(profile);
    }
  });
});

describe.each(ABIS.map((abi) => [abi]))("%s", (abi) => {
  const answer = answers(abi, DEFAULT_CAPABILITIES);
  const has = (name: string) => syscallTable(abi).has(name);

  test("what programs need passes", () => {
    for (const name of allowed.filter(has)) expect([name, answer(name)]).toEqual([name, 0]);
    expect(answer("chroot")).toBe(0);
  });

  test("the rest does not", () => {
    for (const name of denied.filter(has)) expect([name, answer(name)]).toEqual([name, name === "socketcall" ? 38 : 1]);
    for (const name of byCapability.filter(has).filter((n) => !["clone", "clone3", "chroot"].includes(n)))
      expect([name, answer(name)]).toEqual([name, 1]);
    expect(answer("clone3")).toBe(38);
  });

  test("clone makes no namespace", () => {
    expect(answer("clone", 0x11)).toBe(0);
    expect(answer("clone", 0x3d0f00)).toBe(0); // pthread_create(3)
    for (const flag of [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000])
      expect(answer("clone", flag + 0x11)).toBe(1);
  });

  test("sockets of four families, and packets for who may", () => {
    const passes = (ask: typeof answer) =>
      Array.from({ length: 64 }, (_, f) => f).filter((f) => ask("socket", f) === 0);
    expect(passes(answer)).toEqual([1, 2, 10, 16]);
    expect(passes(answers(abi, ["CAP_NET_RAW"]))).toEqual([1, 2, 10, 16, 17]);
    expect([0, 1, 2, 30].map((f) => answer("socketpair", f))).toEqual([1, 0, 1, 1]);
    if (abi === "X86_64" || abi === "AARCH64") expect(answer("socket", 0x100000000n + 1n)).toBe(1);
  });

  test("personality only asks", () => {
    expect([0, 8, 0x20000, 0x20008, 0xffffffff].map((p) => answer("personality", p))).toEqual([0, 0, 0, 0, 0]);
    expect([1, 0x0400000, 0x0040000, 0xfffffffe].map((p) => answer("personality", p))).toEqual([1, 1, 1, 1]);
  });

  test("calls that nobody knows yet are not there", () => {
    const last = syscallTable(abi).get("rseq_slice_yield") ?? 0;
    // Those that only x32 has begin at 512; what lies between is not known to be newer.
    expect([last, last + 1, last + 300].map((nr) => answer(nr))).toEqual([0, abi === "X32" ? 1 : 38, 38]);
  });

  test("each capability alone opens what it stands for, and nothing else", () => {
    const none = answers(abi, []);
    for (const bare of CAPABILITIES) {
      const capability = `CAP_${bare}` as const;
      const one = answers(abi, [capability]);
      const opened = [...syscallTable(abi).keys()].filter(
        (name) => one(name, 0x20000) === 0 && none(name, 0x20000) !== 0,
      );
      const documented = (BY_CAPABILITY[capability] ?? []).filter(has);
      expect([capability, opened.sort()]).toEqual([capability, documented.sort()]);
    }
  });
});
