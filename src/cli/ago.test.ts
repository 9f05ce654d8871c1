import { expect, test } from "bun:test";
import fc from "fast-check";
import { ago } from "./ago.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [0, "Less than a second"],
  [999, "Less than a second"],
  [-5000, "Less than a second"],
  [SECOND, "1 second"],
  [1999, "1 second"],
  [2 * SECOND, "2 seconds"],
  [59 * SECOND, "59 seconds"],
  [MINUTE, "About a minute"],
  [2 * MINUTE - 1, "About a minute"],
  [2 * MINUTE, "2 minutes"],
  [45 * MINUTE, "45 minutes"],
  [HOUR, "About an hour"],
  [89 * MINUTE, "About an hour"],
  [90 * MINUTE, "2 hours"],
  [3 * HOUR, "3 hours"],
  [47 * HOUR, "47 hours"],
  [48 * HOUR, "2 days"],
  [13 * DAY, "13 days"],
  [14 * DAY, "2 weeks"],
  [59 * DAY, "8 weeks"],
  [60 * DAY, "2 months"],
  [729 * DAY, "24 months"],
  [730 * DAY, "2 years"],
  [3000 * DAY, "8 years"],
])("%d ms", (span, words) => expect(ago(span)).toBe(words));

test("every span has words, and a longer one is never told as a shorter", () => {
  const rank = (words: string) => {
    const [number = "", unit = ""] = words.replace(/^Less than a|^About an?/, "1").split(" ");
    const size = ["second", "minute", "hour", "day", "week", "month", "year"].indexOf(unit.replace(/s$/, ""));
    expect(size).toBeGreaterThanOrEqual(0);
    return [size, Number(number)] as const;
  };
  const span = fc.oneof(fc.nat(2 * HOUR), fc.nat(100 * DAY), fc.nat(4000 * DAY));
  fc.assert(
    fc.property(span, span, (a, b) => {
      const [[s, n], [t, m]] = [rank(ago(Math.min(a, b))), rank(ago(Math.max(a, b)))];
      expect(s < t || (s === t && n <= m)).toBe(true);
    }),
  );
});
