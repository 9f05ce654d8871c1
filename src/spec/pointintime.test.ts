import { describe, expect, test } from "bun:test";
import { formatNanoseconds, parsePointInTime } from "./pointintime.ts";

const NOW = Date.parse("2026-01-02T15:04:05.006Z");

describe("a point in time", () => {
  test.each([
    ["10m", "2026-01-02T14:54:05.006000000Z"],
    ["1h30m0.5s", "2026-01-02T13:34:04.506000000Z"],
    ["0s", "2026-01-02T15:04:05.006000000Z"],
    ["1767366245", "2026-01-02T15:04:05.000000000Z"],
    ["1767366245.123456789", "2026-01-02T15:04:05.123456789Z"],
    ["2026-01-02T15:04:05.000000001Z", "2026-01-02T15:04:05.000000001Z"],
    ["2026-01-02T15:04:05.5+02:00", "2026-01-02T13:04:05.500000000Z"],
    ["2026-01-02T15:04Z", "2026-01-02T15:04:00.000000000Z"],
  ])("%s is %s", (text, time) => {
    expect(formatNanoseconds(parsePointInTime(text, "--since", NOW))).toBe(time);
  });

  test("without a zone it is this host's", () => {
    const local = new Date(2026, 0, 2, 3, 4, 5);
    expect(parsePointInTime("2026-01-02T03:04:05", "--since", NOW)).toBe(BigInt(local.getTime()) * 1_000_000n);
    expect(parsePointInTime("2026-01-02", "--since", NOW)).toBe(BigInt(new Date(2026, 0, 2).getTime()) * 1_000_000n);
  });

  test.each([["yesterday"], [""], ["10" + "x"], ["2026-13-02"], ["2026-01-02T25:00:00Z"], ["-5m"]])(
    "%j is none",
    (text) => {
      expect(() => parsePointInTime(text, "--since", NOW)).toThrow("not a point in time");
    },
  );
});
