/** Values of a JSON text that someone else wrote, each checked where it is read; an error names the path of the value. */
import { invalid } from "../errors.ts";

/** JSON.parse that keeps whole numbers beyond 2^53 exact, as bigint. */
export function parseJson(text: string, source: string): unknown {
  // The third argument is younger than TypeScript's library: https://github.com/tc39/proposal-json-parse-with-source
  const exact = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context?.source ?? "")
      : value;
  try {
    return JSON.parse(text, exact);
  } catch (error) {
    throw invalid(`${source}: not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

export function record(value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw wrong(value, path, "an object");
  return value as Record<string, unknown>;
}

/** Null and a missing value are an empty list, as they are to Go's decoder. */
export function list(value: unknown, path: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw wrong(value, path, "a list");
  return value;
}

export function listOf<T>(value: unknown, path: string, read: (item: unknown, path: string) => T): T[] {
  return list(value, path).map((item, i) => read(item, `${path}[${i}]`));
}

export function word(value: unknown, path: string): string {
  if (typeof value !== "string") throw wrong(value, path, "a string");
  if (value.includes("\0")) throw wrong(value, path, "a string without NUL");
  return value;
}

export function oneOf<T extends string>(value: unknown, path: string, known: readonly T[]): T {
  const text = word(value, path);
  if (!(known as readonly string[]).includes(text)) throw wrong(text, path, `one of ${known.join(", ")}`);
  return text as T;
}

export function whole(value: unknown, path: string, most: number): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > most)
    throw wrong(value, path, `a whole number from 0 to ${most}`);
  return value;
}

/** An unsigned number of 64 bits; a number where one is exact. */
export function whole64(value: unknown, path: string): number | bigint {
  if (typeof value === "bigint" && value >= 0n && value < 2n ** 64n) return value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(value, path, "a whole number from 0 to 2^64-1");
}

function wrong(value: unknown, path: string, wanted: string): Error {
  const shown = JSON.stringify(value, (_key, v) => (typeof v === "bigint" ? Number(v) : v)) ?? "nothing";
  return invalid(`${path}: ${shown.length > 60 ? `${shown.slice(0, 57)}...` : shown} is not ${wanted}`);
}
