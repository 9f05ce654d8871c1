import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import fc, { type GeneratorValue } from "fast-check";
import { HYBRID, NO_GROUPS, shapeFor, V1_ONLY, V2_ONLY } from "../../test/facts.ts";
import { ERRNO, type Errno } from "../linux/errno.ts";
import { type Syscall, syscallNumber } from "../linux/syscalls.ts";
import { alt, awaits, bytes, expect as expects, out, strings, struct, sys, text, u64 } from "../plan/instructions.ts";
import {
  type Arg,
  type Data,
  GIVEN,
  type Held,
  type Instruction,
  type Link,
  type Op,
  type Out,
  type Plan,
  type Section,
} from "../plan/plan.ts";
import { planRun } from "../plan/run.ts";
import { encode, PROGRAM } from "./encode.ts";
import { readHead } from "./layout.ts";

const WIRE = readFileSync(new URL("../../stage/wire.h", import.meta.url), "utf8");

/** The names of an enum of stage/wire.h, by number. */
function wireEnum(name: string): string[] {
  const body = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(WIRE)?.[1] ?? "";
  const names: string[] = [];
  let next = 0;
  for (const entry of body
    .replaceAll(/\/\/.*/g, "")
    .split(",")
    .map((e) => e.trim())
    .filter(Boolean)) {
    const [word = "", value] = entry.split("=").map((p) => p.trim());
    next = value === undefined ? next : Number(value);
    names[next++] = word;
  }
  return names;
}

const [KINDS, ARGS, RELOCS, WALKS, PROGRAMS] = ["op_kind", "arg_kind", "reloc_kind", "walk_mode", "program_name"].map(
  wireEnum,
) as [string[], string[], string[], string[], string[]];

/** struct header, of which the programs are the end. */
const HEAD = 32 + 8 * (PROGRAMS.length - 1);

interface DecodedOp {
  readonly kind: string;
  readonly wake: boolean;
  readonly retry: boolean;
  readonly args: readonly { readonly kind: string; readonly value: bigint }[];
  readonly nr: number;
  readonly size: number;
  readonly first: number;
  readonly undo: number;
  readonly undoCount: number;
  readonly ok: readonly number[];
  readonly relocs: readonly { at: number; of: number; kind: string; width: number; pad: number }[];
}

interface Decoded {
  readonly ops: readonly DecodedOp[];
  readonly data: Uint8Array;
  readonly out: number;
  readonly programs: readonly { readonly first: number; readonly count: number }[];
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

/** Reads a plan by stage/wire.h alone, and refuses what the stage refuses. */
function decode(file: Uint8Array): Decoded {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  must(new TextDecoder().decode(file.subarray(0, 8)) === "vitrine1", "magic");
  const [size, count, relocCount, dataSize, report, outSize] = [8, 12, 16, 20, 24, 28].map(u32) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const programs = PROGRAMS.slice(0, -1).map((_, i) => ({
    first: u32(32 + 8 * i),
    count: u32(36 + 8 * i),
  }));
  const relocsAt = HEAD + 96 * count;
  const dataAt = Math.ceil((relocsAt + 12 * relocCount) / 8) * 8;
  must(size === dataAt + dataSize, "sizes do not add up");
  must(report >= size && report % 4096 === 0, "the report has a place of its own");
  must(file.length === report + 16 + 24 * count + outSize, "room for the report");
  must(
    file.subarray(size).every((b) => b === 0),
    "the report is empty",
  );
  const relocs = Array.from({ length: relocCount }, (_, i) => {
    const at = relocsAt + 12 * i;
    const kind = RELOCS[file[at + 8] as number] ?? "?";
    const [target, of, width, pad] = [u32(at), u32(at + 4), file[at + 9] as number, file[at + 10] as number];
    const wide = kind === "REL_DATA" || kind === "REL_OUT" ? 8 : width;
    must(RELOCS.includes(kind) && kind !== "REL_KINDS", "kind of relocation");
    must(kind !== "REL_VALUE" || width === 4 || width === 8, "width of a value");
    must(kind !== "REL_DECIMAL" || (width > 0 && width <= 20), "width of a number");
    must(target + wide <= dataSize, "relocation outside the data");
    must(of < (kind === "REL_DATA" ? dataSize : kind === "REL_OUT" ? outSize : count), "relocation to nowhere");
    return { at: target, of, kind, width, pad };
  });
  const ops = Array.from({ length: count }, (_, i): DecodedOp => {
    const at = HEAD + 96 * i;
    const flags = file[at + 1] as number;
    const kind = KINDS[file[at] as number] ?? "?";
    must(KINDS.includes(kind) && kind !== "OP_KINDS", `kind of op ${i}`);
    must(flags <= 3, `flags of op ${i}`);
    must(u32(at + 44) === 0, `reserved bytes of op ${i}`);
    const args = Array.from({ length: 6 }, (_, a) => {
      const how = ARGS[file[at + 2 + a] as number] ?? "?";
      const value = view.getBigUint64(at + 48 + 8 * a, true);
      must(ARGS.includes(how) && how !== "ARG_KINDS", "kind of argument");
      must(how !== "ARG_DATA" || value < dataSize, "argument outside the data");
      must(how !== "ARG_OUT" || value < outSize, "argument outside the output");
      must(how !== "ARG_RESULT" || value < count, "argument names no op");
      return { kind: how, value };
    });
    const [nr, length, first, undo, undoCount, reloc, own] = [8, 12, 16, 20, 24, 28, 32].map((n) => u32(at + n)) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    must(reloc + own <= relocCount, "relocations that are not there");
    must(undo + undoCount <= count && (undoCount === 0 || undo > i), "undo ops that are not there");
    return {
      ...{ kind, wake: (flags & 1) !== 0, retry: (flags & 2) !== 0, args, nr, size: length, first, undo, undoCount },
      ok: [36, 38, 40, 42].map((n) => view.getUint16(at + n, true)).filter(Boolean),
      relocs: relocs.slice(reloc, reloc + own),
    };
  });
  for (const { first, count: n } of programs) checkGroups(ops, first, n);
  for (const { undo, undoCount } of ops) {
    checkGroups(ops, undo, undoCount);
    for (const inner of ops.slice(undo, undo + undoCount))
      must(inner.undoCount === 0 && !["OP_UNDO", "OP_CLONE"].includes(inner.kind), "an undo op that needs undoing");
  }
  return { ops, data: file.subarray(dataAt, size), out: outSize, programs };
}

function checkGroups(ops: readonly DecodedOp[], first: number, count: number): void {
  must(first + count <= ops.length, "a program that is not there");
  for (let i = first; i < first + count; ) {
    const { kind, size, first: part } = ops[i] as DecodedOp;
    must(i + 1 + size <= first + count && part <= size, "a group reaches beyond its program");
    if (kind === "OP_ALT") {
      checkGroups(ops, i + 1, part);
      checkGroups(ops, i + 1 + part, size - part);
    } else if (kind === "OP_CLONE") checkGroups(ops, i + 1, size);
    else must(size === 0 && part === 0, "a group of an op that has none");
    i += 1 + size;
  }
}

/** What an instruction holds, in the order of the file. */
function inner(i: Instruction): readonly Instruction[] {
  if (i.do === "alt") return [...i.first, ...i.other];
  return i.do === "clone" ? i.body.flatMap((s) => s.ops).flatMap((op) => op.does) : [];
}

const flat = (list: readonly Instruction[]): Instruction[] => list.flatMap((i) => [i, ...flat(inner(i))]);
/** Without the ops of children, which have undos of their own. */
const own = (list: readonly Instruction[]): Instruction[] =>
  list.flatMap((i) => (i.do === "alt" ? [i, ...own(inner(i))] : [i]));
const withChildren = (ops: readonly Op[]): Op[] =>
  ops.flatMap((op) => [op, ...flat(op.does).flatMap((i) => (i.do === "clone" ? i.body.flatMap((s) => s.ops) : []))]);

/** Holds a decoded plan against the plan it was made from. */
class Comparison {
  readonly #numbers = new Map<Instruction, number>();
  readonly #ranges = new Map<Data | string, number>();
  readonly #outs = new Map<Out, number>();
  readonly #decoded: Decoded;

  constructor(plan: Plan, decoded: Decoded, awaited: ReadonlySet<Instruction>) {
    this.#decoded = decoded;
    const programs = [plan.run.flatMap((s: Section) => s.ops), plan.failed, plan.recover];
    let next = 0;
    for (const [i, ops] of programs.entries()) {
      const all = flat(ops.flatMap((op) => op.does));
      expect(decoded.programs[i]).toEqual({ first: next, count: all.length });
      for (const instruction of all) this.#numbers.set(instruction, next++);
    }
    const undoing = new Map<number, readonly Instruction[]>();
    for (const { does, undo } of withChildren(programs.flat()))
      if (undo) undoing.set(this.#number(undo.of ?? (does[0] as Instruction)), undo.does);
    let undos = 0;
    for (const [number, op] of decoded.ops.entries()) {
      const list = flat(undoing.get(number) ?? []);
      expect(op.undoCount).toBe(list.length);
      undos += list.length;
      for (const [k, instruction] of list.entries()) this.#numbers.set(instruction, op.undo + k);
      if (list.length > 0) expect(op.undo).toBeGreaterThanOrEqual(next);
    }
    expect(decoded.ops).toHaveLength(next + undos);
    for (const [instruction, number] of this.#numbers)
      this.#compare(instruction, decoded.ops[number] as DecodedOp, awaited.has(instruction));
    this.#apart();
  }

  #number(instruction: Instruction): number {
    const number = this.#numbers.get(instruction);
    if (number === undefined) throw new Error("not placed");
    return number;
  }

  #compare(i: Instruction, op: DecodedOp, awaited: boolean): void {
    expect(op.kind).toBe(`OP_${i.do.toUpperCase()}`);
    expect([op.wake, op.retry]).toEqual([awaited, i.do === "sys" && i.retry === true]);
    const [args, ok] = operands(i, (x) => this.#number(x));
    expect(op.ok).toEqual((ok ?? []).map((name) => ERRNO[name]));
    expect(op.size).toBe(flat(inner(i)).length);
    expect(op.first).toBe(i.do === "alt" ? flat(i.first).length : 0);
    const nr =
      i.do === "sys"
        ? syscallNumber(i.call, "x64")
        : i.do === "walk"
          ? WALKS.indexOf(`WALK_${i.mode.toUpperCase()}`)
          : i.do === "serve"
            ? ["signals", "output", "terminal", "reaper", "monitor", "client"].indexOf(i.mode)
            : 0;
    expect(op.nr).toBe(i.do === "expect" && "load" in i.value ? i.value.width : nr);
    const used = new Set<number>();
    for (const [k, { kind, value }] of op.args.entries()) {
      const arg = args[k] ?? 0;
      const n = Number(value);
      if (typeof arg === "number" || typeof arg === "bigint") {
        expect([kind, value]).toEqual(["ARG_NUMBER", BigInt.asUintN(64, BigInt(arg))]);
      } else if (typeof arg === "object" && "load" in arg) {
        if (arg.load.kind === "data") this.#data(arg.load, n - arg.at, op, used);
        else this.#out(arg.load, n - arg.at);
        expect(kind).toBe(arg.load.kind === "data" ? "ARG_DATA" : "ARG_OUT");
      } else if (typeof arg === "object" && "do" in arg) expect([kind, n]).toEqual(["ARG_RESULT", this.#number(arg)]);
      else if (typeof arg === "object" && arg.kind === "given") expect(kind).toBe("ARG_GIVEN");
      else if (typeof arg === "object" && arg.kind === "out") {
        expect(kind).toBe("ARG_OUT");
        this.#out(arg, n);
      } else {
        expect(kind).toBe("ARG_DATA");
        if (typeof arg === "string") this.#string(arg, n);
        else this.#data(arg, n, op, used);
      }
    }
    for (const { at } of op.relocs) expect(used.has(at)).toBe(true);
  }

  #string(value: string, at: number): void {
    const end = this.#decoded.data.indexOf(0, at);
    expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.#decoded.data.subarray(at, end))).toBe(value);
    this.#ranges.set(value, at);
  }

  #out(value: Out, at: number): void {
    expect(this.#outs.get(value) ?? at).toBe(at);
    this.#outs.set(value, at);
  }

  #data(data: Data, at: number, op: DecodedOp, used: Set<number>): void {
    expect(this.#ranges.get(data) ?? at).toBe(at);
    this.#ranges.set(data, at);
    expect(this.#decoded.data.subarray(at, at + data.bytes.length)).toEqual(data.bytes);
    expect(at % 8).toBe(0);
    for (const link of data.links) {
      used.add(at + link.at);
      const reloc = op.relocs.find((r) => r.at === at + link.at);
      if (!reloc) throw new Error(`no relocation at ${link.at} of ${data.bytes.length} bytes`);
      if (link.put === "value") {
        expect([reloc.kind, reloc.of, reloc.width]).toEqual(["REL_VALUE", this.#number(link.of), link.width]);
      } else if (link.put === "decimal") {
        expect([reloc.kind, reloc.of, reloc.width]).toEqual(["REL_DECIMAL", this.#number(link.of), link.width]);
        expect(String.fromCharCode(reloc.pad)).toBe(link.pad);
      } else if (typeof link.of === "string" || link.of.kind === "data") {
        expect(reloc.kind).toBe("REL_DATA");
        if (typeof link.of === "string") this.#string(link.of, reloc.of);
        else this.#data(link.of, reloc.of, op, used);
      } else {
        expect(reloc.kind).toBe("REL_OUT");
        this.#out(link.of, reloc.of);
      }
    }
  }

  /** No two strings, data or outputs share a byte. */
  #apart(): void {
    const length = (what: Data | string) =>
      typeof what === "string" ? new TextEncoder().encode(what).length + 1 : what.bytes.length;
    const spans = (all: [number, number][], end: number) => {
      let last = 0;
      for (const [at, size] of all.sort((a, b) => a[0] - b[0])) {
        expect(at).toBeGreaterThanOrEqual(last);
        last = at + size;
      }
      expect(last).toBeLessThanOrEqual(end);
    };
    spans(
      [...this.#ranges].map(([what, at]) => [at, length(what)]),
      this.#decoded.data.length,
    );
    spans(
      [...this.#outs].map(([what, at]) => [at, what.size]),
      this.#decoded.out,
    );
  }
}

type Operand = Arg | { readonly load: Data | Out; readonly at: number };

/** Arguments as stage/wire.h tells them, kind by kind. Those of spawn are strings() made anew: compared by content. */
function operands(i: Instruction, number: (i: Instruction) => number): [Operand[], (readonly Errno[] | undefined)?] {
  if (i.do === "sys") return [[...i.args], i.ok];
  if (i.do === "clone") return [[i.args, i.args.bytes.length]];
  if (i.do === "alt") return [[], i.on];
  if (i.do === "expect") return [[i.value, i.mask, i.is, ERRNO[i.errno]]];
  if (i.do === "await") return [[number(i.done), i.peer]];
  if (i.do === "walk" && i.mode === "list") return [[i.dir, i.to, i.from, i.path, i.path.size, i.name ?? 0]];
  if (i.do === "walk" && i.mode === "move") return [[i.dir, i.path, i.to]];
  if (i.do === "walk") return i.mode === "copy" ? [[i.dir, i.to]] : [[i.dir, i.path], i.ok];
  if (i.do === "stream") return [[i.dir, i.from, i.resolve, i.path, i.path.size]];
  if (i.do === "serve") {
    const first = [i.pidfd, i.master ?? -1, i.timeoutMs ?? 0];
    if (i.mode === "monitor") return [[...first, i.door ?? -1, i.connection ?? -1, bytes(heldBytes(i.held))]];
    const keys = i.keys?.length ? bytes(Uint8Array.from(i.keys)) : 0;
    return [i.mode === "client" ? [...first, keys, i.keys?.length ?? 0, i.flags ?? 0] : first];
  }
  if (i.do === "spawn") return [[i.path, strings(i.argv), strings(i.env), i.stdin, i.stdin.bytes.length, i.timeoutMs]];
  return [[]];
}

/** struct held of stage/wire.h. */
function heldBytes(held: Held = { input: -1, output: -1, error: -1 }): Uint8Array {
  const view = new DataView(new ArrayBuffer(40));
  for (const [i, fd] of [held.input, held.output, held.error, held.log?.directory ?? -1].entries())
    view.setInt32(4 * i, fd, true);
  view.setBigUint64(16, BigInt(held.log?.most ?? 0), true);
  view.setUint32(24, held.log?.files ?? 0, true);
  for (const [i, letter] of [..."log"].entries()) view.setUint8(28 + i, letter.charCodeAt(0));
  return new Uint8Array(view.buffer);
}

function compare(plan: Plan): Decoded {
  const { file, layout } = encode(plan, "x64");
  const decoded = decode(file);
  const awaited = new Set(layout.instructions.flatMap(({ instruction: i }) => (i.do === "await" ? [i.done] : [])));
  new Comparison(plan, decoded, awaited);
  expect(readHead(file).ops).toBe(decoded.ops.length);
  expect(layout.instructions).toHaveLength(decoded.ops.length);
  expect(layout.runCount).toBe(decoded.programs[0]?.count as number);
  return decoded;
}

const CALLS: Syscall[] = ["openat", "write", "close", "mount_setattr", "clone3", "getpid"];
const ERRNOS: Errno[] = ["ENOENT", "EEXIST", "EBUSY", "EHWPOISON"];

/** Plans that make no sense, but are plans. */
class Inventor {
  readonly #g: GeneratorValue;
  readonly #made: Instruction[] = [sys("getpid", [])];
  readonly #data: Data[] = [];
  /** Data that points to no other: what points to it is filled in anew with each use. */
  readonly #leaves: Data[] = [text("leaf")];
  readonly #outs: Out[] = [out(256)];

  constructor(g: GeneratorValue) {
    this.#g = g;
  }

  plan(): Plan {
    const first = this.op([...this.#made], 0);
    const run: Section[] = [{ phase: "Claim", ops: [first, ...this.#ops(2)] }];
    return { run, failed: this.#ops(2), recover: this.#ops(1) };
  }

  #below(n: number): number {
    return this.#g(fc.nat, { max: n - 1 });
  }

  #some<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.#below(most + 1) }, make);
  }

  #ops(depth: number): Op[] {
    return this.#some(3, () =>
      this.op([this.#instruction(depth, false), ...this.#some(2, () => this.#instruction(depth, false))], depth),
    );
  }

  op(does: Instruction[], depth: number): Op {
    const told = { call: "write", object: "x", where: "host", why: "A test.", does } as const;
    if (this.#below(2) === 0 || depth < 0) return told;
    const undo = { call: "unlinkat", object: "x", does: this.#some(3, () => this.#instruction(1, true)) };
    return { ...told, undo: this.#below(2) === 0 ? undo : { ...undo, of: this.#one(own(does)) } };
  }

  #one<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }

  #instruction(depth: number, undoing: boolean): Instruction {
    const made = this.#make(depth, undoing);
    this.#made.push(made);
    return made;
  }

  #make(depth: number, undoing: boolean): Instruction {
    const group = () => this.#some(3, () => this.#instruction(depth - 1, undoing));
    const on = () => this.#g(() => fc.subarray(ERRNOS));
    const loaded = () =>
      this.#below(2) ? { load: this.#dataOf(1), width: 4 as const } : { load: this.#out(), width: 8 as const };
    switch (this.#below(undoing ? 7 : 10)) {
      case 0:
        return depth > 0 ? alt(group(), group(), on()) : sys("close", [3]);
      case 1:
        return expects(this.#one(this.#made), 255n, 0n, "EIO");
      case 2:
        return expects({ ...loaded(), at: this.#below(3) }, 0xffffffffffffffffn, 7n, "ENODEV");
      case 3:
        if (this.#below(4) === 0) {
          const [dir, to, from] = [this.#arg(), this.#arg(), this.#arg()];
          return this.#below(2)
            ? {
                do: "walk",
                mode: "list",
                dir,
                to,
                from,
                path: this.#out(),
                name: this.#below(2) ? this.#text() : undefined,
              }
            : { do: "stream", dir, from, resolve: this.#below(32), path: this.#out() };
        }
        return this.#below(2)
          ? { do: "walk", mode: "remove", dir: this.#arg(), path: this.#text(), ok: on() }
          : this.#below(2)
            ? { do: "walk", mode: "copy", dir: this.#arg(), to: this.#one(this.#made) }
            : { do: "walk", mode: "move", dir: this.#arg(), path: this.#text(), to: this.#one(this.#made) };
      case 4:
        return {
          do: "spawn",
          path: "/bin/x",
          argv: this.#some(3, () => this.#text()),
          env: [],
          stdin: this.#dataOf(0),
          timeoutMs: 5,
        };
      case 7:
        return depth > 0
          ? { do: "clone", args: this.#dataOf(1), body: [{ phase: "Process", ops: this.#ops(depth - 1) }] }
          : { do: "undo" };
      case 8:
        return {
          do: "serve",
          mode: (["signals", "output", "terminal", "reaper"] as const)[this.#below(4)] ?? "signals",
          pidfd: this.#one(this.#made),
          timeoutMs: this.#below(3),
        };
      case 9:
        return awaits(this.#one(this.#made), this.#one(this.#made));
      default:
        return sys(
          this.#one(CALLS),
          this.#some(6, () => this.#arg()),
          { ok: on(), retry: this.#below(2) === 0 },
        );
    }
  }

  #text(): string {
    return this.#g(() => fc.string({ unit: "grapheme" }).filter((s) => !s.includes("\0") && s.isWellFormed()));
  }

  #arg(): Arg {
    switch (this.#below(7)) {
      case 6:
        return GIVEN;
      case 0:
        return this.#g(fc.maxSafeInteger);
      case 1:
        return this.#g(() => fc.bigInt(-(2n ** 63n), 2n ** 64n - 1n));
      case 2:
        return this.#text();
      case 3:
        return this.#one(this.#made);
      case 4:
        return this.#out();
      default:
        return this.#dataOf(0);
    }
  }

  #out(): Out {
    if (this.#below(2)) this.#outs.push(out(16 + this.#below(40)));
    return this.#one(this.#outs);
  }

  #dataOf(least: number): Data {
    if (this.#data.length > 0 && this.#below(3) === 0 && least === 0) return this.#one(this.#data);
    const slots = least + this.#below(3);
    const links = Array.from({ length: slots }, (_, i) => (this.#below(2) ? [this.#link(24 * i)] : [])).flat();
    const data = bytes(this.#g(fc.uint8Array, { minLength: 24 * slots, maxLength: 24 * slots + 9 }), links);
    this.#data.push(data);
    if (!links.some((l) => l.put === "address")) this.#leaves.push(data);
    return data;
  }

  #link(at: number): Link {
    switch (this.#below(4)) {
      case 0:
        return { at, put: "value", of: this.#one(this.#made), width: this.#below(2) ? 4 : 8 };
      case 1:
        return { at, put: "decimal", of: this.#one(this.#made), width: 1 + this.#below(20), pad: "/" };
      case 2:
        return { at, put: "address", of: this.#out() };
      default:
        return { at, put: "address", of: this.#below(2) ? this.#text() : this.#one(this.#leaves) };
    }
  }
}

describe("what is read is what was written", () => {
  test("for plans of any shape", () => {
    // Not shrunk: plans are too large for that, and the seed is told.
    fc.assert(
      fc.property(fc.gen(), (g) => {
        compare(new Inventor(g).plan());
      }),
      { numRuns: 200, endOnFailure: true },
    );
  });

  test.each([
    ["plain, hybrid", {}, HYBRID],
    ["plain, v1", {}, V1_ONLY],
    ["plain, v2", {}, V2_ONLY],
    ["plain, no groups", { pidsLimit: undefined }, NO_GROUPS],
    ["limits", { memory: "64m", cpus: "1", cpuShares: "2" }, V2_ONLY],
    ["host ids", { userns: "host", rm: false }, HYBRID],
    ["a terminal that can be left", { tty: true, interactive: true }, HYBRID],
    ["detached", { detach: true, interactive: true, logOpts: ["max-size=1g"] }, V2_ONLY],
    ["detached, nothing kept", { detach: true, logDriver: "none" }, V2_ONLY],
    ["binds", { volumes: ["/a:/b:ro", "/etc/x:/y"], tmpfs: ["/t:size=1m"], readOnly: true }, HYBRID],
  ])("for a run: %s", (_, options, facts) => {
    const { run, failed, recover, restart } = planRun(shapeFor(options, facts).input, facts);
    compare(restart ? { run, failed, recover, restart } : { run, failed, recover });
  });

  test("data that outgrows the first buffer", () => {
    const large = Array.from({ length: 40 }, (_, i) => bytes(new Uint8Array(3001).fill(i + 1)));
    const names = Array.from({ length: 200 }, (_, i) => `${i}-${"ü".repeat(300)}`);
    const does = large.map((data, i) => sys("write", [names[i] as string, data, strings(names)]));
    compare({ run: [{ phase: "Claim", ops: [host(does)] }], failed: [], recover: [] });
  });
});

function host(does: Instruction[], undo?: Op["undo"]): Op {
  const told = { call: "write", object: "x", where: "host", why: "A test.", does } as const;
  return undo ? { ...told, undo } : told;
}

const planOf = (ops: Op[], more: Partial<Plan> = {}): Plan => ({
  run: [{ phase: "Claim", ops }],
  failed: [],
  recover: [],
  ...more,
});

describe("by hand", () => {
  test("one call, every byte of it", () => {
    const { file } = encode(
      planOf([host([sys("close", [-1, 0x1_0000_0002, 3n, "ab"], { ok: ["EBADF"], retry: true })])]),
      "x64",
    );
    // biome-ignore format: one field a line
    const head = [
      ...new TextEncoder().encode("vitrine1"),
      243, 0, 0, 0, // size
      1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, // ops, relocs, data
      0, 16, 0, 0, 0, 0, 0, 0, // report, out
      0, 0, 0, 0, 1, 0, 0, 0, // run
      1, 0, 0, 0, 0, 0, 0, 0, // failed
      1, 0, 0, 0, 0, 0, 0, 0, // recover
      0, 0, 0, 0, 0, 0, 0, 0, // resume
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].flatMap(() => [1, 0, 0, 0, 0, 0, 0, 0]), // start to update
      1, 2, 0, 0, 0, 1, 0, 0, // OP_SYS, OP_RETRY, kinds of arguments
      3, 0, 0, 0, // close
      ...new Array(24).fill(0), // size, first, undo, undo_count, reloc, reloc_count
      9, 0, 0, 0, 0, 0, 0, 0, // EBADF
      0, 0, 0, 0,
      255, 255, 255, 255, 255, 255, 255, 255,
      2, 0, 0, 0, 1, 0, 0, 0,
      3, 0, 0, 0, 0, 0, 0, 0,
      0, 0, 0, 0, 0, 0, 0, 0,
      ...new Array(16).fill(0),
      0x61, 0x62, 0,
    ];
    expect([...file.subarray(0, 243)]).toEqual(head);
    expect(file).toHaveLength(4096 + 16 + 24);
  });

  test("call numbers are those of the architecture", () => {
    const nr = (arch: "x64" | "arm64") =>
      new DataView(encode(planOf([host([sys("mount", [])])]), arch).file.buffer).getUint32(HEAD + 8, true);
    expect([nr("x64"), nr("arm64")]).toEqual([165, 40]);
  });

  test("programs are numbered as the stage numbers them", () => {
    expect(PROGRAMS).toEqual([
      "RUN",
      "FAILED",
      "RECOVER",
      "RESUME",
      "START",
      "STATE",
      "KILL",
      "DELETE",
      "PAUSE",
      "UNPAUSE",
      "PS",
      "LIST",
      "GROUPS",
      "UPDATE",
      "PROGRAMS",
    ]);
    for (const [name, number] of Object.entries(PROGRAM)) expect(PROGRAMS[number]).toBe(name.toUpperCase());
  });

  test("resume is the rest of the run behind the restart", () => {
    const [a, b, c] = [host([sys("getpid", [])]), host([alt([sys("setsid", [])], [])]), host([sys("getppid", [])])];
    const decoded = decode(encode(planOf([a, b, c], { restart: b }), "x64").file);
    expect(decoded.programs).toEqual([
      { first: 0, count: 4 },
      { first: 4, count: 0 },
      { first: 4, count: 0 },
      { first: 3, count: 1 },
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(() => ({ first: 4, count: 0 })),
    ]);
  });

  test("an equal string is there once, an equal piece of data as often as it was made", () => {
    const [one, other] = [text("x"), text("x")];
    const does = [sys("write", ["same", one, other]), sys("write", ["same", one, "other"])];
    const { ops } = decode(encode(planOf([host(does)]), "x64").file);
    const [a, b] = ops.map((op) => op.args.map((arg) => arg.value));
    expect(a?.[0]).toBe(b?.[0] as bigint);
    expect(a?.[1]).toBe(b?.[1] as bigint);
    expect(a?.[1]).not.toBe(a?.[2] as bigint);
  });

  test("data with a result in it is filled in before each use", () => {
    const pid = sys("getpid", []);
    const data = struct([u64(pid)]);
    const { ops } = decode(encode(planOf([host([pid, sys("write", [data]), sys("write", [data])])]), "x64").file);
    expect(ops.map((op) => op.relocs.length)).toEqual([0, 1, 1]);
  });

  test("a result of what is not in the plan is an error", () => {
    const stray = sys("getpid", []);
    expect(() => encode(planOf([host([sys("close", [stray])])]), "x64")).toThrow(
      "an op uses the result of a sys that is not in the plan",
    );
    expect(() => encode(planOf([host([awaits({ do: "undo" }, stray)])]), "x64")).toThrow("the result of a undo");
    const undo = { of: stray, call: "close", object: "x", does: [] };
    expect(() => encode(planOf([host([sys("getpid", [])], undo)]), "x64")).toThrow("not in the plan");
    expect(() => encode(planOf([host([sys("write", [struct([u64(stray)])])])]), "x64")).toThrow("not in the plan");
  });

  // There is room for four: a fifth goes into the reserved bytes, a seventh into the first argument.
  test("more errnos than there is room for are an error", () => {
    const ok: Errno[] = ["ENOENT", "EEXIST", "EBUSY", "EPERM", "EACCES", "EIO", "EINVAL"];
    expect(() => encode(planOf([host([sys("close", [3], { ok })])]), "x64")).toThrow();
  });

  // The undo is then due with whatever op comes next.
  test("an undo of an op without instructions is an error", () => {
    const empty = host([], { call: "rmdir", object: "x", does: [sys("umask", [0])] });
    expect(() => encode(planOf([empty, host([sys("getpid", [])])]), "x64")).toThrow();
  });
});
