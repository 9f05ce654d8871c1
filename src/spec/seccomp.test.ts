import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { VitrineError } from "../errors.ts";
import { checkSeccomp } from "./seccomp.ts";
import { readSeccompProfile, type SeccompHost } from "./seccompprofile.ts";

const HOST: SeccompHost = { arch: "x64", kernel: "6.1.0-40-amd64", capabilities: ["CAP_SYS_CHROOT", "CAP_CHOWN"] };
const read = (profile: unknown, host: Partial<SeccompHost> = {}) =>
  readSeccompProfile(typeof profile === "string" ? profile : JSON.stringify(profile), "p.json", { ...HOST, ...host });
const message = (run: () => unknown) => {
  const { code, message } = refusal(run);
  expect(code).toBe("INVALID");
  return message;
};

const ALLOW = "SCMP_ACT_ALLOW";
const rule = (more: object) => ({
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [{ names: ["read"], action: ALLOW, ...more }],
});

describe("linux.seccomp", () => {
  test("comes back as it is, without what is not known", () => {
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_MIPS"],
      flags: ["SECCOMP_FILTER_FLAG_LOG"],
      listenerPath: "/run/agent.sock",
      listenerMetadata: "web",
      syscalls: [
        { names: ["read", "write"], action: ALLOW },
        { names: ["mkdir"], action: "SCMP_ACT_NOTIFY" },
        {
          names: ["clone"],
          action: "SCMP_ACT_TRACE",
          errnoRet: 65535,
          args: [{ index: 5, value: 1, valueTwo: 2, op: "SCMP_CMP_MASKED_EQ" }],
        },
      ],
    } as const;
    expect(checkSeccomp({ ...profile, comment: "x" }, "linux.seccomp")).toEqual(structuredClone(profile) as never);
  });

  test("null stands for nothing, as Go writes it", () => {
    const profile = { defaultAction: ALLOW, architectures: null, flags: null, syscalls: null };
    expect(checkSeccomp(profile, "linux.seccomp")).toEqual({ defaultAction: ALLOW, syscalls: [] });
    expect(checkSeccomp(rule({ args: null, errnoRet: null }), "s").syscalls).toEqual([
      { names: ["read"], action: ALLOW },
    ]);
  });

  test.each<[unknown, string]>([
    [null, "s: null is not an object"],
    [[], "s: [] is not an object"],
    [{}, "s.defaultAction: nothing is not a string"],
    [{ defaultAction: "ALLOW" }, 's.defaultAction: "ALLOW" is not one of SCMP_ACT_KILL, '],
    [{ defaultAction: "SCMP_ACT_NOTIFY" }, "s.defaultAction: SCMP_ACT_NOTIFY can only stand in a rule"],
    [{ defaultAction: ALLOW, defaultErrnoRet: 1 }, "s.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno"],
    [
      { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 4096 },
      "s.defaultErrnoRet: 4096 is not a whole number from 0 to 4095",
    ],
    [{ defaultAction: ALLOW, architectures: ["X86"] }, 's.architectures[0]: "X86" is not one of'],
    [{ defaultAction: ALLOW, architectures: {} }, "s.architectures: {} is not a list"],
    [{ defaultAction: ALLOW, flags: ["LOG"] }, 's.flags[0]: "LOG" is not one of SECCOMP_FILTER_FLAG_TSYNC, '],
    [{ defaultAction: ALLOW, listenerMetadata: "x" }, "s.listenerMetadata: says something to a listener"],
    [{ defaultAction: ALLOW, listenerPath: "a\0b" }, "s.listenerPath: "],
    [{ defaultAction: ALLOW, syscalls: [null] }, "s.syscalls[0]: null is not an object"],
    [rule({ names: [] }), "s.syscalls[0].names: no system call is named"],
    [rule({ names: [7] }), "s.syscalls[0].names[0]: 7 is not a string"],
    [rule({ names: ["re ad"] }), 's.syscalls[0].names[0]: "re ad" is no name of a system call'],
    [rule({ action: undefined }), "s.syscalls[0].action: nothing is not a string"],
    [rule({ action: "SCMP_ACT_NOTIFY" }), "s.syscalls[0].action: SCMP_ACT_NOTIFY needs a listenerPath"],
    [rule({ errnoRet: 1 }), "s.syscalls[0].errnoRet: SCMP_ACT_ALLOW returns no errno"],
    [
      rule({ args: [{ index: 6, value: 1, op: "SCMP_CMP_EQ" }] }),
      "s.syscalls[0].args[0].index: 6 is not a whole number from 0 to 5",
    ],
    [
      rule({ args: [{ index: 0, value: -1, op: "SCMP_CMP_EQ" }] }),
      "s.syscalls[0].args[0].value: -1 is not a whole number from 0 to 2^64-1",
    ],
    [
      rule({ args: [{ index: 0, value: 2 ** 60, op: "SCMP_CMP_EQ" }] }),
      "s.syscalls[0].args[0].value: 1152921504606847000 is not",
    ],
    [rule({ args: [{ index: 0, value: "1", op: "SCMP_CMP_EQ" }] }), 's.syscalls[0].args[0].value: "1" is not'],
    [rule({ args: [{ index: 0, value: 1, op: "EQ" }] }), 's.syscalls[0].args[0].op: "EQ" is not one of SCMP_CMP_NE, '],
    [
      rule({ args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ", valueTwo: 1.5 }] }),
      "s.syscalls[0].args[0].valueTwo: 1.5 is not",
    ],
  ])("%j is refused", (profile, why) => expect(message(() => checkSeccomp(profile, "s"))).toStartWith(why));

  test("whatever JSON there is: a profile or an error of ours", () => {
    const maybe = fc.oneof(
      fc.constantFrom("names", "SCMP_ACT_ALLOW", "SCMP_CMP_EQ", "read", 0, 1, null),
      fc.jsonValue(),
    );
    const profile = fc.record(
      {
        defaultAction: maybe,
        architectures: maybe,
        archMap: maybe,
        syscalls: fc.array(
          fc.record(
            { names: fc.array(maybe), action: maybe, args: fc.array(maybe), includes: maybe },
            { requiredKeys: [] },
          ),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(profile, fc.jsonValue()), (value) => {
        try {
          read(JSON.stringify(value));
        } catch (error) {
          expect(error).toBeInstanceOf(VitrineError);
        }
      }),
    );
  });
});

describe("a profile's file", () => {
  const names = (syscalls: object[], host: Partial<SeccompHost> = {}) =>
    read({ defaultAction: "SCMP_ACT_ERRNO", syscalls }, host).syscalls?.map((r) => r.names.join());
  const bound = (name: string, bonds: object) => ({ names: [name], action: ALLOW, ...bonds });

  test("of OCI is taken as it stands", () => {
    const profile = { architectures: ["SCMP_ARCH_X86"], ...rule({}) };
    expect(read(profile)).toEqual(profile as never);
  });

  test("keeps numbers of 64 bits exact", () => {
    const text = `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW",
      "args":[{"index":0,"value":18446744073709551615,"op":"SCMP_CMP_EQ"},{"index":1,"value":4294967295,"op":"SCMP_CMP_EQ"}]}]}`;
    const args = read(text).syscalls?.[0]?.args;
    expect(args?.map((a) => a.value)).toEqual([0xffffffffffffffffn, 0xffffffff]);
    expect(message(() => read(text.replace("18446744073709551615", "18446744073709551616")))).toBe(
      "p.json: $.syscalls[0].args[0].value: 18446744073709551616 is not a whole number from 0 to 2^64-1",
    );
  });

  test("includes: all of the capabilities, the machine, the kernel", () => {
    const rules = [
      bound("a", { includes: { caps: ["CAP_SYS_CHROOT"] } }),
      bound("b", { includes: { caps: ["CAP_SYS_CHROOT", "CAP_SYS_ADMIN"] } }),
      bound("c", { includes: { arches: ["amd64", "x32"] } }),
      bound("d", { includes: { arches: ["arm64"] } }),
      bound("e", { includes: { minKernel: "4.8" } }),
      bound("f", { includes: { minKernel: "6.2" } }),
      bound("g", { includes: { caps: ["CAP_CHOWN"], arches: ["amd64"], minKernel: "6.1" } }),
      bound("h", { includes: { caps: ["CAP_CHOWN"], arches: ["arm64"], minKernel: "6.1" } }),
      bound("i", { includes: {}, excludes: {}, comment: "", args: null }),
      bound("j", { includes: { caps: ["CAP_FROM_THE_FUTURE"] } }),
    ];
    expect(names(rules)).toEqual(["a", "c", "e", "g", "i"]);
    expect(names(rules, { arch: "arm64", kernel: "7.0" })).toEqual(["a", "d", "e", "f", "h", "i"]);
  });

  test("excludes: any of the capabilities, the machine or the kernel", () => {
    const rules = [
      bound("a", { excludes: { caps: ["CAP_SYS_CHROOT", "CAP_SYS_ADMIN"] } }),
      bound("b", { excludes: { caps: ["CAP_SYS_ADMIN"], arches: ["s390"] } }),
      bound("c", { excludes: { caps: ["CAP_SYS_ADMIN"], arches: ["amd64"] } }),
      bound("d", { excludes: { minKernel: "6.1" } }),
      bound("e", { excludes: { minKernel: "6.10" } }),
      bound("f", { includes: { arches: ["amd64"] }, excludes: { caps: ["CAP_CHOWN"] } }),
    ];
    expect(names(rules)).toEqual(["b", "e"]);
  });

  test("the old name for one call", () => {
    expect(names([{ name: "read", action: ALLOW }])).toEqual(["read"]);
    expect(names([{ name: "read", names: [], action: ALLOW }])).toEqual(["read"]);
    expect(message(() => names([{ name: "read", names: ["write"], action: ALLOW }]))).toBe(
      "p.json: $.syscalls[0]: name and names are both there",
    );
  });

  test("archMap gives the machine's own and its others", () => {
    const archMap = [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
      { architecture: "SCMP_ARCH_RISCV64", subArchitectures: null },
    ];
    const on = (arch: "x64" | "arm64", map: object[]) =>
      read({ defaultAction: ALLOW, archMap: map }, { arch }).architectures;
    expect(on("x64", archMap)).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    expect(on("arm64", archMap)).toEqual(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    expect(on("x64", archMap.slice(1))).toEqual([]);
    expect(message(() => read({ defaultAction: ALLOW, archMap, architectures: ["SCMP_ARCH_X86"] }))).toBe(
      "p.json: $: architectures and archMap are both there",
    );
  });

  test.each<[unknown, string]>([
    ["{", "p.json: not JSON: "],
    ["", "p.json: not JSON: "],
    ["[]", "p.json: $: [] is not an object"],
    [{}, "p.json: $.defaultAction: nothing is not a string"],
    [{ defaultAction: ALLOW, syscalls: [{ action: ALLOW }] }, "p.json: $.syscalls[0].names: no system call is named"],
    [rule({ includes: [] }), "p.json: $.syscalls[0].includes: [] is not an object"],
    [rule({ includes: { caps: "CAP_CHOWN" } }), 'p.json: $.syscalls[0].includes.caps: "CAP_CHOWN" is not a list'],
    [rule({ excludes: { minKernel: "4" } }), 'p.json: $.syscalls[0].excludes.minKernel: "4" is no version as "4.8"'],
    [{ defaultAction: ALLOW, archMap: [{}] }, "p.json: $.archMap[0].architecture: nothing is not a string"],
  ])("%j is refused", (profile, why) => expect(message(() => read(profile))).toStartWith(why));

  test("a rule that does not apply here is checked all the same", () => {
    const rules = [bound("a", { includes: { arches: ["s390"] }, action: "ALLOW" })];
    expect(message(() => names(rules))).toStartWith('p.json: $.syscalls[0].action: "ALLOW" is not one of');
  });
});
