/** What a container uses, read from its control groups, in the shape that `runc events --stats` prints. */
import { readFileSync } from "node:fs";
import type { HostFacts } from "../linux/facts.ts";
import { type StatsPart, statsParts } from "./statsparts.ts";
import { STATS_END, STATS_TEMPLATES } from "./statstemplates.ts";

/** A JSON object. Times in nanoseconds, sizes in bytes; every number with all its digits. */
export function readStats(facts: HostFacts, path: string): string {
  return renderStats(statsParts(facts, path), readText);
}

/** @param read undefined for a file that is not there */
export function renderStats(parts: readonly StatsPart[], read: (path: string) => string | undefined): string {
  const members = parts.flatMap(({ name, directories }) => {
    const group = new Group(directories, read);
    return new Lines(STATS_TEMPLATES[name] ?? "").members(group);
  });
  return `{${[...members, ...new Lines(STATS_END).members(new Group([], read))].join(",")}}`;
}

/** How often the kernel has killed a process of the container for want of memory. */
export function readOomKills({ cgroups }: HostFacts, path: string): number {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("memory"));
  const group = (mount: string) => new Group([mount + path], readText);
  if (v1) return Number(group(v1.mount).named("memory.oom_control", "oom_kill") ?? 0);
  return cgroups.v2 ? Number(group(cgroups.v2.mount).named("memory.events", "oom_kill") ?? 0) : 0;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined; // not on this kernel, or not for this group
  }
}

const NUMBER = /^-?\d+$/;

class Group {
  readonly #directories: StatsPart["directories"];
  readonly #read: (path: string) => string | undefined;
  readonly #texts = new Map<string, string | undefined>();

  constructor(directories: StatsPart["directories"], read: (path: string) => string | undefined) {
    this.#directories = directories;
    this.#read = read;
  }

  /** A file is read once: what is told of it belongs together. */
  text(file = ""): string | undefined {
    const [name = "", place = "0"] = file.split(":").reverse();
    const directory = this.#directories[Number(place)];
    if (directory !== undefined && !this.#texts.has(file)) this.#texts.set(file, this.#read(`${directory}/${name}`));
    return this.#texts.get(file)?.trim();
  }

  /** Undefined for "max" too. */
  number(file: string | undefined): bigint | undefined {
    const text = this.text(file) ?? "";
    return NUMBER.test(text) ? BigInt(text) : undefined;
  }

  pairs(file: string | undefined): [name: string, value: bigint][] {
    return this.rows(file).flatMap(([name, value = ""]) => (name && NUMBER.test(value) ? [[name, BigInt(value)]] : []));
  }

  named(file: string | undefined, name: string | undefined): bigint | undefined {
    return this.pairs(file).find(([own]) => own === name)?.[1];
  }

  rows(file: string | undefined): string[][] {
    return (this.text(file) ?? "").split("\n").map((line) => line.split(" "));
  }
}

/** The lines of a template, from a place on. */
class Lines {
  readonly #lines: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#lines = text.split("\n");
  }

  /** Up to the end of the object that they are in. */
  members(group: Group): string[] {
    const result: string[] = [];
    for (let line = this.#next(); line !== undefined && line !== "}"; line = this.#next()) {
      const [kind = "", key = "", ...rest] = line.split(" ");
      let value: string | undefined;
      if (kind === "{" || kind === "f") {
        const inner = this.members(group);
        value = kind === "{" || group.number(rest[0]) !== undefined ? `{${inner.join(",")}}` : undefined;
      } else value = VALUES[kind]?.(group, rest);
      if (value !== undefined) result.push(`"${key}":${value}`);
    }
    return result;
  }

  #next(): string | undefined {
    return this.#lines[this.#at++];
  }
}

const scaled = (value: bigint, factor: string | undefined) => value * BigInt(factor ?? 1);
const array = (items: readonly unknown[]) => `[${items.join(",")}]`;
const filled = (items: readonly unknown[]) => (items.length > 0 ? array(items) : undefined);

function entry(device: string, op: string, value: string): string {
  const [major = 0, minor = 0] = device.split(":").map(Number);
  return `{"major":${major},"minor":${minor},"op":"${op}","value":${value}}`;
}

/** By the first word of a line: see statstemplates.ts. */
const VALUES: Readonly<Record<string, (group: Group, words: readonly string[]) => string | undefined>> = {
  "=": (_, words) => words.join(" "),
  n: (group, [file, otherwise]) => group.number(file)?.toString() ?? otherwise,
  z: (group, [file]) => (group.number(file) || undefined)?.toString(),
  s(group, [file, other, otherwise]) {
    const [a, b] = [group.number(file), group.number(other)];
    if (otherwise !== undefined && (a === undefined || b === undefined)) return otherwise;
    return ((a ?? 0n) + (b ?? 0n)).toString();
  },
  p: (group, [file, name, factor]) => scaled(group.named(file, name) ?? 0n, factor).toString(),
  q(group, [file, name, factor]) {
    const value = group.named(file, name);
    return value === undefined ? undefined : scaled(value, factor).toString();
  },
  "?": (group, [file, name, factor]) => (scaled(group.named(file, name) ?? 0n, factor) || undefined)?.toString(),
  a: (group, [file]) =>
    `{${group
      .pairs(file)
      .map(([name, value]) => `"${name}":${value}`)
      .join(",")}}`,
  w(group, [file]) {
    const text = group.text(file);
    return text === undefined ? undefined : array(text.split(/\s+/).filter(Boolean));
  },
  c: (group, [file, column]) =>
    filled(
      group
        .rows(file)
        .slice(1)
        .map((row) => row[Number(column)] ?? 0),
    ),
  l(group, [file, other]) {
    const text = group.text(file) || group.text(other);
    return text ? array(text.split(",").flatMap(range)) : undefined;
  },
  b: (group, [file]) =>
    filled(
      group
        .rows(file)
        .flatMap(([device = "", op, value]) =>
          device.includes(":") && op && value !== undefined ? [entry(device, op, value)] : [],
        ),
    ),
  i: (group, [file, read, write]) =>
    filled(
      group.rows(file).flatMap(([device = "", ...words]) =>
        words.flatMap((word) => {
          const [name, value = ""] = word.split("=");
          const op = name === read ? "Read" : name === write ? "Write" : undefined;
          return op ? [entry(device, op, value)] : [];
        }),
      ),
    ),
};

/** "0-2": 0, 1, 2. */
function range(part: string): number[] {
  const [first = 0, last = first] = part.split("-").map(Number);
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
