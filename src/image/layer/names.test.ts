import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { cleanPath, shown } from "./names.ts";
import { whiteoutOf } from "./whiteouts.ts";

test.each([
  ["a/b", "a/b"],
  ["./a//b/./c/", "a/b/c"],
  ["/etc/passwd", "etc/passwd"],
  ["./", ""],
  ["", ""],
  ["...", "..."],
  ["a/..b", "a/..b"],
])("%p is %p", (path, clean) => expect(cleanPath(path, 10)).toBe(clean));

test.each([
  ["..", /leads out/],
  ["a/../b", /leads out/],
  ["a/..", /leads out/],
  ["/../a", /leads out/],
  ["a".repeat(256), /more than 255 bytes/],
  [`${"a/".repeat(10)}a`, /more than 10 directories deep/],
  ["a/".repeat(3000), /more than 4095 bytes/],
])("%.20s is refused", (path, why) => expect(() => cleanPath(path, 10)).toThrow(why));

test("a clean path has no odd names, and is its own", () => {
  const name = fc.constantFrom("", ".", "..", "...", "a", ".wh.a", "b ", "\n");
  fc.assert(
    fc.property(fc.array(name, { maxLength: 8 }), (names) => {
      const path = names.join("/");
      if (names.includes("..")) expect(() => cleanPath(path, 10)).toThrow();
      else {
        const clean = cleanPath(path, 10);
        expect(clean.split("/").filter((n) => n === "." || (n === "" && clean !== ""))).toEqual([]);
        expect(cleanPath(clean, 10)).toBe(clean);
        expect(clean).toBe(names.filter((n) => n !== "" && n !== ".").join("/"));
      }
    }),
  );
});

describe("whiteouts", () => {
  test.each([
    ["a/.wh.b", { kind: "whiteout", path: "a/b" }],
    [".wh.b", { kind: "whiteout", path: "b" }],
    ["a/.wh..wh..opq", { kind: "opaque", path: "a" }],
    [".wh..wh..opq", { kind: "opaque", path: "" }],
    [".wh..wh.plnk", { kind: "bookkeeping" }],
    [".wh..wh.plnk/12.34", { kind: "bookkeeping" }],
    ["a/b.wh.c", undefined],
    ["a", undefined],
  ] as const)("%s", (path, is) => expect(whiteoutOf(path)).toEqual(is));

  test.each([".wh.", "a/.wh..", "a/.wh...", ".wh.a/b"])("%s is refused", (path) =>
    expect(() => whiteoutOf(path)).toThrow(/whiteout/),
  );
});

test("a path in a message is on one line and not endless", () => {
  expect(shown("a\nb\x1b[2J")).toBe('"a?b?[2J"');
  expect(shown("x".repeat(4000)).length).toBeLessThan(250);
});
