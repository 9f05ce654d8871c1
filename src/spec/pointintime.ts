/** --since and --until: "10m" ago, seconds since 1970, or RFC 3339 (without a zone: this host's). */
import { invalid } from "../errors.ts";
import { parseTimeSpan } from "./timespan.ts";

const FORMS = "10m (ago), 2026-01-02T15:04:05Z, or seconds since 1970";

/** Nanoseconds since 1970. @param now milliseconds since 1970 */
export function parsePointInTime(text: string, what: string, now: number): bigint {
  const span = parseTimeSpan(text);
  if (span !== undefined) return BigInt(Math.round((now - span) * 1000)) * 1000n;
  const unix = /^(\d{1,11})(?:\.(\d{1,9}))?$/.exec(text);
  if (unix) return BigInt(unix[1] ?? 0) * 1_000_000_000n + nanoseconds(unix[2]);
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (date) {
    const [, day, minute = "00:00", second = "00", fraction, zone = ""] = date;
    const time = Date.parse(`${day}T${minute}:${second}${zone}`);
    if (!Number.isNaN(time)) return BigInt(time) * 1_000_000n + nanoseconds(fraction);
  }
  throw invalid(`${what} "${text}": not a point in time`, FORMS);
}

function nanoseconds(fraction = ""): bigint {
  return BigInt(fraction.padEnd(9, "0"));
}

/** RFC 3339 with all nine digits, as docker writes it. */
export function formatNanoseconds(time: bigint): string {
  const seconds = new Date(Number(time / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}
