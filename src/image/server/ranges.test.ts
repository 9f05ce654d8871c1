import { expect, test } from "bun:test";
import fc from "fast-check";
import { readContentRange, readRange, uploadRange } from "./ranges.ts";

test("what of a blob is asked for", () => {
  for (const [header, expected] of [
    [undefined, undefined],
    ["", undefined],
    ["bytes=0-0", { first: 0, last: 0 }],
    ["bytes=0-", { first: 0, last: 9 }],
    ["Bytes=2-5 ", { first: 2, last: 5 }],
    ["bytes=9-10", { first: 9, last: 9 }],
    ["bytes=-1", { first: 9, last: 9 }],
    ["bytes=-100", { first: 0, last: 9 }],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=10-12", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=-", undefined],
    ["bytes=3-2", "unsatisfiable"],
    ["bytes=0-1,4-5", undefined],
    ["bytes=a-b", undefined],
    ["items=0-1", undefined],
  ] as const)
    expect([header, readRange(header, 10)]).toEqual([header, expected]);
  expect(readRange("bytes=0-", 0)).toBe("unsatisfiable");
  expect(readRange("bytes=-5", 0)).toBe("unsatisfiable");
});

test("a span lies within the blob, whatever is asked for", () => {
  const part = fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 30n }).map(String), fc.constant(""));
  fc.assert(
    fc.property(part, part, fc.nat(1000), (from, to, size) => {
      const span = readRange(`bytes=${from}-${to}`, size);
      if (typeof span !== "object") return;
      expect(span.first).toBeGreaterThanOrEqual(0);
      expect(span.last).toBeLessThan(size);
      expect(span.first).toBeLessThanOrEqual(span.last);
    }),
  );
});

test("where a chunk belongs", () => {
  expect(readContentRange("0-0")).toEqual({ first: 0, last: 0 });
  expect(readContentRange(" 10-1048575 ")).toEqual({ first: 10, last: 1048575 });
  for (const header of ["", "5", "-5", "5-", "5-4", "a-b", "bytes 0-5/6", "0-5/6", "0-99999999999999999999", "0x1-2"])
    expect([header, readContentRange(header)]).toEqual([header, undefined]);
});

test("how far an upload is", () => {
  expect([0, 1, 2, 1000].map(uploadRange)).toEqual(["0-0", "0-0", "0-1", "0-999"]);
});
