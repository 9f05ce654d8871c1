import { expect, test } from "bun:test";
import { binarySize, decimalSize } from "./decimal.ts";

test("sizes in decimal units, three digits", () => {
  const sizes = [0, 999, 1000, 1024, 77_800_000, 116_123_456, 999_499_999, 999_500_000, 1_240_000_000, 5e15, 5e18];
  expect(sizes.map(decimalSize)).toEqual([
    "0B",
    "999B",
    "1kB",
    "1.02kB",
    "77.8MB",
    "116MB",
    "999MB",
    "1GB",
    "1.24GB",
    "5PB",
    "5000PB",
  ]);
});

test("memory in units of 1024, four digits", () => {
  const sizes = [0, 1023, 1024, 1536, 128 * 2 ** 20, 15.625 * 2 ** 30, 2 ** 62];
  expect(sizes.map(binarySize)).toEqual(["0B", "1023B", "1KiB", "1.5KiB", "128MiB", "15.63GiB", "4096PiB"]);
});
