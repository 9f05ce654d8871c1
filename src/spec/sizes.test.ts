import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { refusal } from "../../test/facts.ts";
import { formatBytes, parseBytes, parseWhole } from "./sizes.ts";

describe("parseBytes", () => {
  test.each([
    ["0", 0],
    ["1", 1],
    ["65536", 65536],
    ["1b", 1],
    ["1B", 1],
    ["128k", 131072],
    ["128m", 134217728],
    ["128M", 134217728],
    ["128mb", 134217728],
    ["128MiB", 134217728],
    ["1.5g", 1610612736],
    ["2t", 2199023255552],
    ["1.7b", 1],
    [" 1 k ", 1024],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
  ])("%j", (text, bytes) => expect(parseBytes(text, "--memory")).toBe(bytes));

  test.each(["", " ", "-1", "-1m", "+1", "1e3", "0x10", "m", "k1", "1.", ".5", "1..5", "1,5g", "1p", "1 2", "1m1"])(
    "%j is refused",
    (text) => {
      const { code, message } = refusal(() => parseBytes(text, "--memory"));
      expect([code, message]).toEqual(["INVALID", `--memory: "${text}" is not a size`]);
    },
  );

  test.each(["NaN", "Infinity", "9007199254740992", "9999999t", "１２８m", "128m\n1"])("%j is refused too", (text) => {
    expect(refusal(() => parseBytes(text, "--memory")).hint).toContain("128m");
  });

  // (?:i?b)? also stands alone, and behind "b".
  test("a unit stands there once, and is one", () => {
    for (const text of ["5ib", "1bb", "1bib"]) expect(() => parseBytes(text, "--memory")).toThrow("is not a size");
  });

  test("every whole number below 2^53 is itself", () => {
    fc.assert(fc.property(fc.maxSafeNat(), (n) => expect(parseBytes(`${n}`, "x")).toBe(n)));
  });

  test("any text gives a whole number that is not negative, or an error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9.]{1,5} ?[bkmgtiB]{0,3}$/)), (text) => {
        let bytes: number;
        try {
          bytes = parseBytes(text, "--memory");
        } catch (error) {
          expect((error as Error).message).toStartWith("--memory: ");
          return;
        }
        expect(Number.isSafeInteger(bytes) && bytes >= 0).toBe(true);
      }),
    );
  });
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [1536, "1.5 KiB"],
  [134217728, "128 MiB"],
  [2 ** 40, "1 TiB"],
  [2 ** 51, "2048 TiB"],
])("formatBytes(%d)", (bytes, text) => expect(formatBytes(bytes)).toBe(text));

describe("parseWhole", () => {
  test("within bounds, both ends included", () => {
    expect(parseWhole("2", "--cpu-shares", 2, 262144)).toBe(2);
    expect(parseWhole("262144", "--cpu-shares", 2, 262144)).toBe(262144);
    expect(parseWhole("-1", "--pids-limit", -1)).toBe(-1);
    expect(parseWhole("007", "n", 0)).toBe(7);
  });

  test.each(["1", "262145", "-5", "", " 2", "2 ", "2.0", "2e3", "0x10", "+3", "two", "99999999999999999999", "2\n"])(
    "%j is refused",
    (text) => {
      expect(refusal(() => parseWhole(text, "--cpu-shares", 2, 262144))).toEqual({
        code: "INVALID",
        message: `--cpu-shares: "${text}" is not a whole number (2 to 262144)`,
        hint: undefined,
      });
    },
  );

  test("without an upper bound a number still has to be exact", () => {
    expect(parseWhole("9007199254740991", "n", 0)).toBe(Number.MAX_SAFE_INTEGER);
    expect(refusal(() => parseWhole("9007199254740993", "n", 0)).message).toBe(
      'n: "9007199254740993" is not a whole number (0 or more)',
    );
  });
});
