/** Command line flags with pflag's habits, which docker's users have: -it, -eA=1, --rm=false, flags end at the first argument. */
import { VitrineError } from "../errors.ts";

export interface Flag {
  readonly name: string;
  readonly short?: string;
  /** "optional": `--explain` or `--explain=json`. */
  readonly kind: "bool" | "string" | "list" | "optional";
  readonly help: string;
  /** What stands for the value in help. */
  readonly value?: string;
}

/** A flag of docker's or podman's that does not work: refused by name, with the reason, instead of as unknown. */
export type RefusedFlag = Pick<Flag, "name" | "short"> & {
  readonly kind: "bool" | "string";
  /** What to do without it. */
  readonly instead: string;
  /** Values that only say what is so anyway. */
  readonly same?: readonly string[];
} & ({ /** What brings it. */ readonly comes: string } | { /** What keeps it from coming. */ readonly why: string });

type Known = Flag | RefusedFlag;

/** Perhaps one of those that are refused: they are loaded only when somebody asks for one. */
export class UnknownFlag extends VitrineError {}

export interface Parsed {
  readonly flags: ReadonlyMap<string, string | boolean | string[]>;
  readonly rest: string[];
}

/** @param stopAtArgument flags after the first argument belong to what is run, not to us */
export function parseFlags(args: readonly string[], known: readonly Known[], stopAtArgument: boolean): Parsed {
  const flags = new Map<string, string | boolean | string[]>();
  const rest: string[] = [];
  const queue = [...args];
  for (let arg = queue.shift(); arg !== undefined; arg = queue.shift()) {
    if (arg === "--") {
      rest.push(...queue);
      break;
    }
    if (arg.startsWith("--")) long(arg, queue, known, flags);
    else if (arg.startsWith("-") && arg !== "-") shorts(arg.slice(1), queue, known, flags);
    else {
      rest.push(arg);
      if (!stopAtArgument) continue;
      rest.push(...queue);
      break;
    }
  }
  return { flags, rest };
}

type Values = Map<string, string | boolean | string[]>;

function long(arg: string, queue: string[], known: readonly Known[], values: Values): void {
  const at = arg.indexOf("=");
  const name = arg.slice(2, at < 0 ? undefined : at);
  const flag = known.find((f) => f.name === name);
  if (!flag) throw unknown(`--${name}`, known);
  take(flag, `--${name}`, at < 0 ? undefined : arg.slice(at + 1), queue, values);
}

function shorts(letters: string, queue: string[], known: readonly Known[], values: Values): void {
  for (let i = 0; i < letters.length; i++) {
    const letter = letters[i] ?? "";
    const flag = known.find((f) => f.short === letter);
    if (!flag) throw unknown(`-${letter}`, known);
    const rest = letters.slice(i + 1);
    const alone = rest === "" || (flag.kind === "bool" && !rest.startsWith("="));
    take(flag, `-${letter}`, alone ? undefined : rest.replace(/^=/, ""), queue, values);
    if (flag.kind !== "bool" || !alone) return;
  }
}

/** @param value what stands in the same word */
function take(flag: Known, name: string, value: string | undefined, queue: string[], values: Values): void {
  if (flag.kind === "optional") values.set(flag.name, value ?? true);
  else {
    const given = flag.kind === "bool" ? truth(value, name) : (value ?? next(queue, name));
    if ("instead" in flag) refuse(flag, given);
    else if (typeof given === "boolean") values.set(flag.name, given);
    else store(flag, given, values);
  }
}

function refuse(flag: RefusedFlag, value: string | boolean): void {
  if (flag.same?.includes(String(value))) return;
  const reason = "comes" in flag ? ` is not there yet: it comes with ${flag.comes}` : `: ${flag.why}`;
  throw new VitrineError("UNSUPPORTED", `--${flag.name}${reason}`, { hint: flag.instead });
}

function store(flag: Flag, value: string, values: Values): void {
  const before = values.get(flag.name);
  if (flag.kind === "list") values.set(flag.name, [...(Array.isArray(before) ? before : []), value]);
  else values.set(flag.name, value);
}

function next(queue: string[], name: string): string {
  const value = queue.shift();
  if (value === undefined) throw new VitrineError("USAGE", `${name} needs a value`);
  return value;
}

function truth(value: string | undefined, name: string): boolean {
  if (value === undefined || /^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw new VitrineError("USAGE", `${name}: "${value}" is neither true nor false`);
}

function unknown(name: string, known: readonly Known[]): UnknownFlag {
  const bare = name.replace(/^-+/, "");
  const near = bare.length > 2 ? nearest(bare, known) : undefined;
  return new UnknownFlag("USAGE", `unknown flag ${name}`, {
    hint: near ? `did you mean --${near.name}?` : "--help lists the flags",
  });
}

/** A flag that begins so, or else the one with the fewest slips, two at most. */
function nearest(bare: string, known: readonly Known[]): Known | undefined {
  const begins = known.find((f) => f.name.startsWith(bare));
  if (begins) return begins;
  const [first] = known.map((flag) => ({ flag, slips: distance(flag.name, bare) })).sort((a, b) => a.slips - b.slips);
  return first && first.slips <= 2 ? first.flag : undefined;
}

/** Levenshtein's distance, for "did you mean". */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(
        Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}
