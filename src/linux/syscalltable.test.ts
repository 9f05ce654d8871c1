import { describe, expect, test } from "bun:test";
import { isSyscall, type Syscall, syscallNumber } from "./syscalls.ts";
import { type Abi, syscallTable, X32_BIT } from "./syscalltable.ts";

const ABIS: readonly Abi[] = ["X86_64", "X86", "X32", "AARCH64", "ARM"];

describe("syscall tables", () => {
  test("hold the numbers that plans use", () => {
    const [x64, arm64] = [syscallTable("X86_64"), syscallTable("AARCH64")];
    const used = [...x64.keys()].filter(isSyscall) as Syscall[];
    expect(used.length).toBeGreaterThan(90);
    for (const call of used) {
      expect([call, x64.get(call)]).toEqual([call, syscallNumber(call, "x64")]);
      expect([call, arm64.get(call)]).toEqual([call, syscallNumber(call, "arm64")]);
    }
  });

  test.each(ABIS.map((abi) => [abi]))("%s has each number once", (abi) => {
    const numbers = [...syscallTable(abi).values()];
    expect(new Set(numbers).size).toBe(numbers.length);
    expect([...syscallTable(abi).keys()].filter((name) => !/^[a-z_]\w*$/.test(name))).toEqual([]);
  });

  test.each<[Abi, string, number | undefined]>([
    ["X86_64", "read", 0],
    ["X86_64", "uretprobe", 335],
    ["X86_64", "socketcall", undefined],
    ["X86", "socketcall", 102],
    ["X86", "socket", 359],
    ["X86", "accept", undefined],
    ["X32", "read", X32_BIT],
    ["X32", "execve", X32_BIT + 520],
    ["X32", "uselib", undefined],
    ["X32", "file_setattr", X32_BIT + 469],
    ["AARCH64", "openat", 56],
    ["AARCH64", "open", undefined],
    ["ARM", "set_tls", 0xf0005],
    ["ARM", "memfd_secret", undefined],
    ["ARM", "mseal", 462],
  ])("%s %s", (abi, name, number) => expect(syscallTable(abi).get(name)).toBe(number));
});
