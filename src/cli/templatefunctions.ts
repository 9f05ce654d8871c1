/** Functions of docker's formats, and how Go looks at values. A wrong argument is a TypeError or RangeError. */

export type Callable = (...args: unknown[]) => unknown;

/** What a field is that is not there. */
export const MISSING = Symbol("missing");

/**
 * A field. Objects whose keys all begin with a capital have the fields that they have; others are maps, in which a key that is
 * missing is no error, as in Go.
 */
export function member(of: unknown, name: string): unknown {
  if (typeof of !== "object" || of === null || Array.isArray(of)) return MISSING;
  if (Object.hasOwn(of, name)) return (of as Record<string, unknown>)[name];
  const keys = Object.keys(of);
  return keys.some((key) => !/^[A-Z]/.test(key)) || keys.length === 0 ? undefined : MISSING;
}

export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** As Go prints values. */
export function goText(value: unknown): string {
  if (value === null || value === undefined) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(goText).join(" ")}]`;
  if (typeof value === "object")
    return `map[${Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, item]) => `${name}:${goText(item)}`)
      .join(" ")}]`;
  return String(value);
}

const kindOf = (value: unknown) =>
  value === null || value === undefined ? "nil" : Array.isArray(value) ? "list" : typeof value;

function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`${goText(value)} (${kindOf(value)}) where text has to be`);
  return value;
}

function whole(value: unknown): number {
  if (typeof value !== "number" || !Number.isInteger(value))
    throw new TypeError(`${goText(value)} where a whole number has to be`);
  return value;
}

function list(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw new TypeError(`${goText(value)} (${kindOf(value)}) where a list has to be`);
  return value;
}

function compare(a: unknown, b: unknown): number {
  if (kindOf(a) !== kindOf(b)) throw new TypeError(`${kindOf(a)} and ${kindOf(b)} cannot be compared`);
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  throw new TypeError(`values of kind ${kindOf(a)} have no order`);
}

function equal(a: unknown, ...others: unknown[]): boolean {
  if (others.length === 0) throw new TypeError("one argument is missing");
  return others.some((b) => {
    const [ours, theirs] = [kindOf(a), kindOf(b)];
    if (ours === "nil" || theirs === "nil") return ours === theirs;
    if (ours !== theirs) throw new TypeError(`${ours} and ${theirs} cannot be compared`);
    if (ours === "list" || ours === "object") throw new TypeError(`values of kind ${ours} cannot be compared`);
    return a === b;
  });
}

function index(of: unknown, ...keys: unknown[]): unknown {
  let value = of;
  for (const key of keys) {
    if (Array.isArray(value) || typeof value === "string") {
      const at = whole(key);
      if (at < 0 || at >= value.length) throw new RangeError(`${at} is out of range: there are ${value.length}`);
      value = typeof value === "string" ? value.charCodeAt(at) : value[at];
    } else if (typeof value === "object" && value !== null) {
      const name = text(key);
      value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    } else throw new TypeError(`${goText(value)} has nothing in it`);
  }
  return value;
}

function slice(of: unknown, ...bounds: unknown[]): unknown {
  const value = typeof of === "string" ? of : list(of);
  const [from = 0, to = value.length] = bounds.map(whole);
  if (from < 0 || to > value.length || from > to)
    throw new RangeError(`${from}:${to} is out of range: there are ${value.length}`);
  return value.slice(from, to);
}

function length(value: unknown): number {
  if (typeof value === "string" || Array.isArray(value))
    return typeof value === "string" ? Buffer.byteLength(value) : value.length;
  if (typeof value === "object" && value !== null) return Object.keys(value).length;
  throw new TypeError(`${goText(value)} has no length`);
}

/** Blanks stand between operands of which neither is text. */
function print(...args: unknown[]): string {
  return args
    .map((arg, i) => (i > 0 && typeof arg !== "string" && typeof args[i - 1] !== "string" ? " " : "") + goText(arg))
    .join("");
}

const VERB = /%([-+# 0]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])/g;

/** The verbs %v %s %q %d %x %X %o %b %c %t %f %e %g %T, with width and flags. */
function printf(format: unknown, ...args: unknown[]): string {
  let at = 0;
  const told = text(format).replace(VERB, (_, flags: string, width = "", precision = "", verb: string) => {
    if (verb === "%") return "%";
    if (at >= args.length) return `%!${verb}(MISSING)`;
    const shown = verbed(verb, args[at++], precision, flags);
    const size = Number(width || 0);
    if (flags.includes("-")) return shown.padEnd(size);
    return flags.includes("0") && /^[-+]?\d/.test(shown) ? shown.padStart(size, "0") : shown.padStart(size);
  });
  const left = args.slice(at).map((arg) => `${kindOf(arg)}=${goText(arg)}`);
  return left.length > 0 ? `${told}%!(EXTRA ${left.join(", ")})` : told;
}

function verbed(verb: string, value: unknown, precision: string, flags: string): string {
  const wrong = () => `%!${verb}(${kindOf(value)}=${goText(value)})`;
  if (verb === "v") return goText(value);
  if (verb === "T") return kindOf(value);
  if (verb === "s") return precision ? goText(value).slice(0, Number(precision)) : goText(value);
  if (verb === "q")
    return Array.isArray(value)
      ? `[${value.map((v) => JSON.stringify(goText(v))).join(" ")}]`
      : JSON.stringify(goText(value));
  if (verb === "t") return typeof value === "boolean" ? String(value) : wrong();
  if ((verb === "x" || verb === "X") && typeof value === "string") {
    const hex = Buffer.from(value).toString("hex");
    return verb === "X" ? hex.toUpperCase() : hex;
  }
  if (typeof value !== "number") return wrong();
  const sign = flags.includes("+") && value >= 0 ? "+" : "";
  if (verb === "d") return Number.isInteger(value) ? sign + String(value) : wrong();
  if (verb === "x") return value.toString(16);
  if (verb === "X") return value.toString(16).toUpperCase();
  if (verb === "o") return value.toString(8);
  if (verb === "b") return value.toString(2);
  if (verb === "c") return String.fromCodePoint(value);
  if (verb === "f" || verb === "F") return sign + value.toFixed(precision === "" ? 6 : Number(precision));
  if (verb === "e")
    return sign + value.toExponential(precision === "" ? 6 : Number(precision)).replace(/e([+-])(\d)$/, "e$10$2");
  if (verb === "g") return sign + String(precision === "" ? value : Number(value.toPrecision(Number(precision))));
  return wrong();
}

export const FUNCTIONS: Readonly<Record<string, Callable>> = {
  json: (value) => JSON.stringify(value ?? null),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) => text(value).replace(/(^|\s)\S/g, (start) => start.toUpperCase()),
  split: (value, by) => text(value).split(text(by)),
  join: (value, by) => list(value).map(goText).join(text(by)),
  pad: (value, before, after) =>
    text(value) === "" ? "" : " ".repeat(whole(before)) + text(value) + " ".repeat(whole(after)),
  truncate: (value, most) => text(value).slice(0, whole(most)),
  println: (...args) => `${args.map(goText).join(" ")}\n`,
  print,
  printf,
  index,
  slice,
  len: length,
  not: (value) => !isTrue(value),
  eq: equal,
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
};

const same: Callable = (value) => value;

/** For the line above a table: it has the names of fields, whatever is done to their values. */
export const HEADING_FUNCTIONS: Readonly<Record<string, Callable>> = Object.fromEntries(
  ["json", "lower", "upper", "title", "split", "join", "pad", "truncate", "index", "slice"].map((name) => [name, same]),
);
