import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseElf, parseShebang } from "./elf.ts";

const [LOAD, DYNAMIC, INTERP] = [1, 2, 3];
const [NULL, NEEDED, STRTAB, RPATH, RUNPATH] = [0, 1, 5, 15, 29];
/** Where the one loaded segment lies in memory. */
const BASE = 0x400000;

interface Parts {
  interpreter?: string;
  needed?: string[];
  rpath?: string;
  runpath?: string;
  machine?: number;
}

/** A small ELF file: header, three segments, a dynamic section, strings. */
function elf({ interpreter, needed = [], rpath, runpath, machine = 62 }: Parts): Uint8Array {
  const strings: number[] = [0];
  const put = (text: string) => {
    const at = strings.length;
    strings.push(...new TextEncoder().encode(text), 0);
    return at;
  };
  const interpreterAt = interpreter === undefined ? 0 : put(interpreter);
  const entries: [number, number][] = needed.map((name) => [NEEDED, put(name)]);
  if (rpath !== undefined) entries.push([RPATH, put(rpath)]);
  if (runpath !== undefined) entries.push([RUNPATH, put(runpath)]);
  const dynamicAt = 64 + 3 * 56;
  const stringsAt = dynamicAt + 16 * (entries.length + 2);
  entries.push([STRTAB, BASE + stringsAt], [NULL, 0]);
  const size = stringsAt + strings.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(18, machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 3, true);
  const segment = (i: number, type: number, offset: number, length: number) => {
    const at = 64 + 56 * i;
    view.setUint32(at, type, true);
    view.setBigUint64(at + 8, BigInt(offset), true);
    view.setBigUint64(at + 16, BigInt(BASE + offset), true);
    view.setBigUint64(at + 32, BigInt(length), true);
  };
  segment(0, LOAD, 0, size);
  segment(1, entries.length > 2 || needed.length > 0 ? DYNAMIC : 0, dynamicAt, 16 * entries.length);
  segment(2, interpreter === undefined ? 0 : INTERP, stringsAt + interpreterAt, (interpreter?.length ?? 0) + 1);
  for (const [i, [tag, value]] of entries.entries()) {
    view.setBigUint64(dynamicAt + 16 * i, BigInt(tag), true);
    view.setBigUint64(dynamicAt + 16 * i + 8, BigInt(value), true);
  }
  file.set(strings, stringsAt);
  return file;
}

const LS = { interpreter: "/lib64/ld-linux-x86-64.so.2", needed: ["libselinux.so.1", "libc.so.6"] };

describe("parseElf", () => {
  test("a dynamic program", () => {
    expect(parseElf(elf(LS))).toEqual({ machine: 62, runpath: [], ...LS });
  });

  test("a library: no interpreter; another machine", () => {
    expect(parseElf(elf({ needed: ["libc.so.6"], machine: 183 }))).toEqual({
      machine: 183,
      interpreter: undefined,
      needed: ["libc.so.6"],
      runpath: [],
    });
  });

  test("a static program needs nothing", () => {
    expect(parseElf(elf({}))).toEqual({ machine: 62, interpreter: undefined, needed: [], runpath: [] });
  });

  test("DT_RUNPATH, split; DT_RPATH only where that is missing", () => {
    expect(parseElf(elf({ ...LS, runpath: "$ORIGIN/../lib::/opt/lib" }))?.runpath).toEqual([
      "$ORIGIN/../lib",
      "/opt/lib",
    ]);
    expect(parseElf(elf({ ...LS, rpath: "/r" }))?.runpath).toEqual(["/r"]);
    expect(parseElf(elf({ ...LS, rpath: "/r", runpath: "/n" }))?.runpath).toEqual(["/n"]);
  });

  test("as a part of a larger buffer", () => {
    const file = elf(LS);
    const larger = new Uint8Array(file.length + 64).fill(0xff);
    larger.set(file, 32);
    expect(parseElf(larger.subarray(32, 32 + file.length))).toEqual({ machine: 62, runpath: [], ...LS });
  });

  test("anything else is no ELF file of ours", () => {
    const with_ = (at: number, byte: number) => {
      const file = elf(LS);
      file[at] = byte;
      return file;
    };
    for (const file of [
      new Uint8Array(0),
      elf(LS).subarray(0, 63),
      with_(0, 0x7e),
      with_(3, 0x47),
      with_(4, 1), // 32 bits
      with_(5, 2), // big endian
      new TextEncoder().encode(`#!/bin/sh\n${" ".repeat(80)}`),
    ])
      expect(parseElf(file)).toBeUndefined();
  });

  test("tables beyond the end are a RangeError", () => {
    const damaged = (change: (view: DataView) => void) => {
      const file = elf(LS);
      change(new DataView(file.buffer));
      return () => parseElf(file);
    };
    expect(() => parseElf(elf(LS).subarray(0, 100))).toThrow(RangeError);
    expect(damaged((v) => v.setBigUint64(32, 1n << 40n, true))).toThrow(RangeError); // e_phoff
    expect(damaged((v) => v.setBigUint64(32, (1n << 64n) - 1n, true))).toThrow(RangeError);
    expect(damaged((v) => v.setUint16(56, 0xffff, true))).toThrow(RangeError); // e_phnum
    expect(damaged((v) => v.setBigUint64(64 + 56 + 8, 1n << 62n, true))).toThrow(RangeError); // the dynamic section
  });

  // The names are read from the start of the file.
  test("libraries without a string table are a RangeError", () => {
    const file = elf(LS);
    const view = new DataView(file.buffer);
    for (let at = 64 + 3 * 56; at < file.length - 16; at += 16)
      if (view.getBigUint64(at, true) === 5n) view.setBigUint64(at, 6n, true);
    expect(() => parseElf(file)).toThrow(RangeError);
  });

  // The name is "".
  test("a name beyond the end is a RangeError", () => {
    const file = elf(LS);
    new DataView(file.buffer).setBigUint64(64 + 3 * 56 + 8, 1n << 40n, true);
    expect(() => parseElf(file)).toThrow(RangeError);
  });

  // 128 KiB: 4,000 names of 64 KiB each. With 64 MiB, as an image may have, memory ends before the names do.
  test("many names that never end do not multiply", () => {
    const entries = 4000;
    const file = new Uint8Array(1 << 17).fill(0x61);
    file.set(elf(LS).subarray(0, 64 + 3 * 56));
    const view = new DataView(file.buffer);
    const dynamicAt = 64 + 3 * 56;
    view.setBigUint64(64 + 32, BigInt(file.length), true);
    view.setBigUint64(64 + 56 + 32, BigInt(16 * entries + 32), true);
    for (let i = 0; i < entries; i++) {
      view.setBigUint64(dynamicAt + 16 * i, 1n, true);
      view.setBigUint64(dynamicAt + 16 * i + 8, 0n, true);
    }
    view.setBigUint64(dynamicAt + 16 * entries, 5n, true);
    view.setBigUint64(dynamicAt + 16 * entries + 8, BigInt(BASE + (1 << 16) + 512), true);
    view.setBigUint64(dynamicAt + 16 * entries + 16, 0n, true);
    let told = 0;
    try {
      told = parseElf(file)?.needed.reduce((sum, name) => sum + name.length, 0) ?? 0;
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
    }
    expect(told).toBeLessThanOrEqual(16 * file.length);
  });

  const orRangeError = (file: Uint8Array) => {
    try {
      return parseElf(file);
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError);
      return undefined;
    }
  };

  test("random bytes behind an ELF head end in an answer or a RangeError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 58, maxLength: 2048 }), (bytes) => {
        orRangeError(new Uint8Array([0x7f, 0x45, 0x4c, 0x46, 2, 1, ...bytes]));
      }),
      { numRuns: 500 },
    );
  });

  test("so does a file with some bytes changed", () => {
    const change = fc.tuple(fc.nat(400), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
        const file = elf({ ...LS, runpath: "/a:/b" });
        for (const [at, byte] of changes) if (at < file.length) file[at] = byte;
        orRangeError(file);
      }),
      { numRuns: 1000 },
    );
  });

  test("names of any kind come back", () => {
    const name = fc.string({ unit: "grapheme", minLength: 1 }).filter((s) => !s.includes("\0") && s.isWellFormed());
    fc.assert(
      fc.property(name, fc.array(name), (interpreter, needed) => {
        expect(parseElf(elf({ interpreter, needed }))).toEqual({ machine: 62, interpreter, needed, runpath: [] });
      }),
    );
  });
});

describe("parseShebang", () => {
  const parse = (text: string) => parseShebang(new TextEncoder().encode(text));

  test.each([
    ["#!/bin/sh\necho", ["/bin/sh"]],
    ["#!/bin/sh", ["/bin/sh"]],
    ["#! /bin/sh -e\n", ["/bin/sh", "-e"]],
    ["#!/usr/bin/env python3 -u\n", ["/usr/bin/env", "python3 -u"]],
    ["#!\t/bin/awk\t-f \n", ["/bin/awk", "-f"]],
  ])("%j", (text, expected) => expect(parse(text)).toEqual(expected as [string, string?]));

  test.each(["", "#", "#!", "#!\n/bin/sh", "#! \n", " #!/bin/sh", "//"])("%j is none", (text) => {
    expect(parse(text)).toBeUndefined();
  });

  test("of a long line the kernel sees 256 bytes", () => {
    const [program] = parse(`#!/${"a".repeat(1000)}`) ?? [""];
    expect(program).toHaveLength(254);
  });

  test("random bytes give words without blanks at their ends, or nothing", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const found = parseShebang(new Uint8Array([0x23, 0x21, ...bytes]));
        for (const word of found ?? []) expect(word).toBe(word?.trim() as string);
      }),
    );
  });
});
