/** Values of a JSON text that someone else wrote, each checked where it is read; an error names the path of the value. */
import { invalid } from "../errors.ts";
import { syntaxFault } from "./jsonsyntax.ts";

/** Checks a value and gives it its type. @throws INVALID that begins with the path */
export type Read<T> = (value: unknown, path: string) => T;

/** JSON.parse that keeps whole numbers beyond 2^53 exact, as bigint. An error tells line and column. */
export function parseJson(text: string, source: string): unknown {
  // The third argument is younger than TypeScript's library: https://github.com/tc39/proposal-json-parse-with-source
  const exact = (_key: string, value: unknown, context?: { source?: string }) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? BigInt(context?.source ?? "")
      : value;
  try {
    return JSON.parse(text, exact);
  } catch (error) {
    const fault = syntaxFault(text);
    throw invalid(
      fault
        ? `${source}: not JSON: line ${fault.line}, column ${fault.column}: ${fault.what}`
        : `${source}: cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** An object whose properties are read one by one. Null is as good as missing, as it is to Go's decoder. */
export class Fields {
  readonly path: string;
  readonly #object: Record<string, unknown>;

  constructor(value: unknown, path: string) {
    this.path = path;
    this.#object = record(value, path);
  }

  /** The path of a property. */
  at(name: string): string {
    return `${this.path}${step(name)}`;
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#object, name) && this.#object[name] !== null;
  }

  must<T>(name: string, read: Read<T>): T {
    if (!this.has(name)) throw invalid(`${this.at(name)}: is missing`);
    return read(this.#object[name], this.at(name));
  }

  may<T>(name: string, read: Read<T>): T | undefined {
    return this.has(name) ? read(this.#object[name], this.at(name)) : undefined;
  }

  /** A list; an empty one if there is none. */
  list<T>(name: string, read: Read<T>): T[] {
    return this.may(name, (value, path) => listOf(value, path, read)) ?? [];
  }
}

/** An object that has any names, as pairs: none if the value is null. */
export function entriesOf<T>(
  value: unknown,
  path: string,
  read: (item: unknown, path: string, name: string) => T,
): [string, T][] {
  return Object.entries(record(value ?? {}, path)).map(([name, item]) => [
    name,
    read(item, `${path}${step(name)}`, name),
  ]);
}

function step(name: string): string {
  return /^\w+$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
}

export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Without the properties that are undefined. */
export function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
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

export function listOf<T>(value: unknown, path: string, read: Read<T>): T[] {
  return list(value, path).map((item, i) => read(item, `${path}[${i}]`));
}

export function truth(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw wrong(value, path, "true or false");
  return value;
}

export function word(value: unknown, path: string): string {
  if (typeof value !== "string") throw wrong(value, path, "a string");
  if (value.includes("\0")) throw wrong(value, path, "a string without NUL");
  return value;
}

/** An empty string says nothing, as to programs in Go, which leave it out. */
export function said(value: unknown, path: string): string | undefined {
  return word(value, path) || undefined;
}

export function line(value: unknown, path: string): string {
  const text = word(value, path);
  if (/[\n\r]/.test(text)) throw wrong(text, path, "a string of one line");
  return text;
}

export function absolute(value: unknown, path: string): string {
  const text = word(value, path);
  if (!text.startsWith("/")) throw wrong(text, path, "an absolute path");
  return text;
}

export function oneOf<T extends string>(value: unknown, path: string, known: readonly T[]): T {
  const text = word(value, path);
  if (!(known as readonly string[]).includes(text)) throw wrong(text, path, `one of ${known.join(", ")}`);
  return text as T;
}

export function among<T extends string>(known: readonly T[]): Read<T> {
  return (value, path) => oneOf(value, path, known);
}

export function whole(value: unknown, path: string, most: number): number {
  return between(0, most)(value, path);
}

export function between(least: number, most: number): Read<number> {
  return (value, path) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < least || value > most)
      throw wrong(value, path, `a whole number from ${least} to ${most}`);
    return value;
  };
}

/** An unsigned number of 64 bits; a number where one is exact. */
export function whole64(value: unknown, path: string): number | bigint {
  if (typeof value === "bigint" && value >= 0n && value < 2n ** 64n) return value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(value, path, "a whole number from 0 to 2^64-1");
}

/** The largest double below 2^63: as decimal digits it still fits the kernel's signed 64 bits. */
const WIDEST = 2 ** 63 - 1024;

/**
 * Amounts of 64 bits as numbers, for what is not finer than that: exact up to 2^53, then the nearest double, and at most
 * 2^63-1024: no memory, rate or time comes near.
 */
export const uint64 = amount(0n, 2n ** 64n - 1n);
export const int64 = amount(-(2n ** 63n), 2n ** 63n - 1n);

function amount(least: bigint, most: bigint): Read<number> {
  return (value, path) => {
    const exact = typeof value === "number" && Number.isInteger(value) ? BigInt(value) : value;
    if (typeof exact !== "bigint" || exact < least || exact > most)
      throw wrong(value, path, `a whole number from ${least} to ${most}`);
    return Math.min(Number(exact), WIDEST);
  };
}

export function wrong(value: unknown, path: string, wanted: string): Error {
  const text = shown(value);
  return invalid(`${path}: ${text.length > 60 ? `${text.slice(0, 57)}...` : text} is not ${wanted}`);
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.length > 0 ? "a list" : "[]";
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0 ? "an object" : "{}";
  return typeof value === "bigint" || typeof value === "number" ? `${value}` : (JSON.stringify(value) ?? "nothing");
}
