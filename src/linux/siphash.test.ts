import { expect, test } from "bun:test";
import { siphash24 } from "./siphash.ts";

test("the paper's example, and what comes before it", () => {
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  expect(
    siphash24(
      key,
      Uint8Array.from({ length: 15 }, (_, i) => i),
    ),
  ).toBe(0xa129ca6149be45e5n);
  expect(siphash24(key, new Uint8Array())).toBe(0x726fdb47dd0e0e31n);
  expect(
    siphash24(
      key,
      Uint8Array.from({ length: 8 }, (_, i) => i),
    ),
  ).toBe(0x93f5f5799a932462n);
});
