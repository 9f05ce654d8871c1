import { expect, test } from "bun:test";
import { isSince } from "./release.ts";

test("releases are compared by numbers", () => {
  expect(["6.3.0", "6.18.5-1-amd64", "7.0", "10.1"].map((text) => isSince(6, 3, text))).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(["6.2.16", "5.19.0", "6.1.0-30-cloud-amd64", "?"].map((text) => isSince(6, 3, text))).toEqual([
    false,
    false,
    false,
    false,
  ]);
  expect(isSince(5, 0)).toBe(true);
});
