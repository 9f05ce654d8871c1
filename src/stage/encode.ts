/** A plan as the stage reads it. The format is told in stage/wire.h. */
import type { Arch } from "../linux/arch.ts";
import { ERRNO, type Errno } from "../linux/errno.ts";
import { syscallNumber } from "../linux/syscalls.ts";
import { strings } from "../plan/instructions.ts";
import type { Arg, Data, Instruction, Op, Out, Plan, Section } from "../plan/plan.ts";

export const OP_SIZE = 96;
export const RELOC_SIZE = 12;
export const HEADER_SIZE = 64;
export const REPORT_HEAD = 16;
export const RECORD_SIZE = 24;
export const PAGE = 4096;

/** The stage's programs, by the number it takes on its command line. */
export const PROGRAM = { run: 0, failed: 1, recover: 2, resume: 3 } as const;

const KIND = { sys: 1, clone: 2, alt: 3, expect: 4, await: 5, spawn: 6, undo: 7, serve: 8, walk: 9 } as const;
const ARG = { number: 0, data: 1, result: 2, out: 3 } as const;
const RELOC = { data: 1, out: 2, value: 3, decimal: 4 } as const;
const FLAG = { wake: 1, retry: 2 } as const;
const WALK = { remove: 1 } as const;

/** What became of each instruction of an encoded plan. */
export interface Layout {
  /** By op number of the stage: the instruction, and the op (or undo) it belongs to. */
  readonly instructions: readonly Placed[];
  /** How many of them, from the first, are the run itself. */
  readonly runCount: number;
  readonly reportOffset: number;
  readonly outOffset: ReadonlyMap<Out, number>;
}

export interface Placed {
  readonly instruction: Instruction;
  readonly op: Op;
  readonly undoing: boolean;
}

export interface Encoded {
  /** The whole file: plan, zeroed report, and `trailer` (not read by the stage). */
  readonly file: Uint8Array;
  readonly layout: Layout;
}

interface Slot extends Placed {
  /** Ops in this one's group, and in the first part of an alt. */
  size: number;
  first: number;
  undo: number;
  undoCount: number;
}

/** @param trailer bytes kept behind the report, for the engine's own use */
export function encode(plan: Plan, arch: Arch, trailer?: Uint8Array): Encoded {
  const encoder = new PlanEncoder(arch);
  encoder.place(plan);
  return encoder.write(trailer);
}

class PlanEncoder {
  readonly #arch: Arch;
  readonly #slots: Slot[] = [];
  readonly #numbers = new Map<Instruction, number>();
  readonly #awaited = new Set<Instruction>();
  readonly #programs: [number, number][] = [];
  readonly #strings = new Map<string, number>();
  readonly #datas = new Map<Data, number>();
  readonly #outs = new Map<Out, number>();
  #data = new Uint8Array(16384);
  #dataEnd = 0;
  #outEnd = 0;
  #relocs: number[] = []; // at, of, kind, width, pad: five numbers each

  constructor(arch: Arch) {
    this.#arch = arch;
  }

  place(plan: Plan): void {
    const undos: Slot[] = [];
    this.#program(() => this.#sections(plan.run, undos));
    this.#program(() => this.#ops(plan.failed, undos));
    this.#program(() => this.#ops(plan.recover, undos));
    const [first, count] = this.#programs[PROGRAM.run] as [number, number];
    const behind = this.#slots.findLastIndex((slot, i) => i < first + count && slot.op === plan.restart) + 1;
    this.#programs.push(plan.restart ? [behind, first + count - behind] : [0, 0]);
    for (const slot of undos) {
      slot.undo = this.#slots.length;
      for (const instruction of slot.op.undo?.does ?? []) this.#place(instruction, slot.op, true, undos);
      slot.undoCount = this.#slots.length - slot.undo;
    }
  }

  #program(place: () => void): void {
    const first = this.#slots.length;
    place();
    this.#programs.push([first, this.#slots.length - first]);
  }

  #sections(sections: readonly Section[], undos: Slot[]): void {
    for (const section of sections) this.#ops(section.ops, undos);
  }

  #ops(ops: readonly Op[], undos: Slot[]): void {
    for (const op of ops) {
      const first = this.#slots.length;
      for (const instruction of op.does) this.#place(instruction, op, false, undos);
      const slot = this.#slots[op.undo?.of ? this.#number(op.undo.of) : first];
      if (op.undo && slot) undos.push(slot);
    }
  }

  #place(instruction: Instruction, op: Op, undoing: boolean, undos: Slot[]): void {
    const slot: Slot = { instruction, op, undoing, size: 0, first: 0, undo: 0, undoCount: 0 };
    const number = this.#slots.length;
    this.#numbers.set(instruction, number);
    this.#slots.push(slot);
    if (instruction.do === "alt") {
      for (const inner of instruction.first) this.#place(inner, op, undoing, undos);
      slot.first = this.#slots.length - number - 1;
      for (const inner of instruction.other) this.#place(inner, op, undoing, undos);
      slot.size = this.#slots.length - number - 1;
    } else if (instruction.do === "clone") {
      this.#sections(instruction.body, undos);
      slot.size = this.#slots.length - number - 1;
    } else if (instruction.do === "await") this.#awaited.add(instruction.done);
  }

  write(trailer?: Uint8Array): Encoded {
    const count = this.#slots.length;
    const ops = new Uint8Array(count * OP_SIZE);
    const view = new DataView(ops.buffer);
    for (let i = 0; i < count; i++) this.#writeOp(view, i * OP_SIZE, this.#slots[i] as Slot);

    const relocCount = this.#relocs.length / 5;
    const dataAt = align(HEADER_SIZE + ops.length + relocCount * RELOC_SIZE, 8);
    const size = dataAt + this.#dataEnd;
    const reportOffset = align(size, PAGE);
    const reportSize = REPORT_HEAD + count * RECORD_SIZE + this.#outEnd;
    const trailerAt = align(reportOffset + reportSize, PAGE);
    const file = new Uint8Array(trailerAt + (trailer?.length ?? 0));
    const head = new DataView(file.buffer);
    file.set(MAGIC, 0);
    const numbers = [size, count, relocCount, this.#dataEnd, reportOffset, this.#outEnd, ...this.#programs.flat()];
    for (let i = 0; i < numbers.length; i++) head.setUint32(8 + 4 * i, numbers[i] as number, true);
    file.set(ops, HEADER_SIZE);
    this.#writeRelocs(head, HEADER_SIZE + ops.length);
    file.set(this.#data.subarray(0, this.#dataEnd), dataAt);
    if (trailer) file.set(trailer, trailerAt);
    const reportOut = reportOffset + REPORT_HEAD + count * RECORD_SIZE;
    const outOffset = new Map([...this.#outs].map(([out, at]) => [out, reportOut + at]));
    return { file, layout: { instructions: this.#slots, runCount: this.#programs[PROGRAM.run]?.[1] ?? 0, reportOffset, outOffset } };
  }

  #writeRelocs(view: DataView, start: number): void {
    const r = this.#relocs;
    for (let i = 0, at = start; i < r.length; i += 5, at += RELOC_SIZE) {
      view.setUint32(at, r[i] as number, true);
      view.setUint32(at + 4, r[i + 1] as number, true);
      view.setUint8(at + 8, r[i + 2] as number);
      view.setUint8(at + 9, r[i + 3] as number);
      view.setUint8(at + 10, r[i + 4] as number);
    }
  }

  #writeOp(view: DataView, at: number, slot: Slot): void {
    const { instruction } = slot;
    const flags =
      (this.#awaited.has(instruction) ? FLAG.wake : 0) |
      (instruction.do === "sys" && instruction.retry ? FLAG.retry : 0);
    const relocFirst = this.#relocs.length / 5;
    const { nr, args, ok } = this.#operands(instruction);
    view.setUint8(at, KIND[instruction.do]);
    view.setUint8(at + 1, flags);
    view.setUint32(at + 8, nr, true);
    view.setUint32(at + 12, slot.size, true);
    view.setUint32(at + 16, slot.first, true);
    view.setUint32(at + 20, slot.undo, true);
    view.setUint32(at + 24, slot.undoCount, true);
    for (let i = 0; i < args.length; i++) this.#writeArg(view, at, i, args[i] as Arg);
    view.setUint32(at + 28, relocFirst, true);
    view.setUint32(at + 32, this.#relocs.length / 5 - relocFirst, true);
    if (ok) for (let i = 0; i < ok.length; i++) view.setUint16(at + 36 + 2 * i, ERRNO[ok[i] as Errno], true);
  }

  #operands(i: Instruction): { nr: number; args: readonly (Arg | Offset)[]; ok?: readonly Errno[] | undefined } {
    switch (i.do) {
      case "sys":
        return { nr: syscallNumber(i.call, this.#arch), args: i.args, ok: i.ok };
      case "clone":
        return { nr: 0, args: [i.args, i.args.bytes.length] };
      case "alt":
        return { nr: 0, args: [], ok: i.on };
      case "expect": {
        const rest = [i.mask, i.is, ERRNO[i.errno]];
        if ("do" in i.value) return { nr: 0, args: [i.value, ...rest] };
        return { nr: i.value.width, args: [new Offset(i.value.load, i.value.at), ...rest] };
      }
      case "await":
        return { nr: 0, args: [this.#number(i.done), i.peer] };
      case "spawn": {
        const stdin = new TextEncoder().encode(i.stdin);
        const vectors = [i.argv, i.env].map((v) => strings(v));
        return { nr: 0, args: [i.path, ...vectors, i.stdin, stdin.length, i.timeoutMs] };
      }
      case "walk":
        return { nr: WALK[i.mode], args: [i.dir, i.path], ok: i.ok };
      case "serve":
        return { nr: 0, args: [i.pidfd] };
      case "undo":
        return { nr: 0, args: [] };
    }
  }

  #writeArg(view: DataView, op: number, n: number, arg: Arg | Offset): void {
    const at = op + 48 + 8 * n;
    const put = (kind: number, value: number) => {
      view.setUint8(op + 2 + n, kind);
      view.setUint32(at, value, true);
    };
    if (typeof arg === "number") {
      view.setInt32(at, arg | 0, true);
      view.setInt32(at + 4, Math.floor(arg / 2 ** 32), true);
    } else if (typeof arg === "bigint") view.setBigUint64(at, BigInt.asUintN(64, arg), true);
    else if (typeof arg === "string") put(ARG.data, this.#string(arg));
    else if (arg instanceof Offset) {
      const base = arg.base.kind === "data" ? this.#dataOf(arg.base) : this.#outOf(arg.base);
      put(arg.base.kind === "data" ? ARG.data : ARG.out, base + arg.at);
    } else if ("do" in arg) put(ARG.result, this.#number(arg));
    else if (arg.kind === "data") put(ARG.data, this.#dataOf(arg));
    else put(ARG.out, this.#outOf(arg));
  }

  #number(instruction: Instruction): number {
    const n = this.#numbers.get(instruction);
    if (n === undefined) throw new Error(`an op uses the result of a ${instruction.do} that is not in the plan`);
    return n;
  }

  #string(value: string): number {
    const known = this.#strings.get(value);
    if (known !== undefined) return known;
    const room = this.#reserve(value.length * 3 + 1, 1);
    const { written } = utf8.encodeInto(value, this.#data.subarray(room));
    this.#dataEnd = room + written + 1;
    this.#data[room + written] = 0;
    this.#strings.set(value, room);
    return room;
  }

  #dataOf(data: Data): number {
    let at = this.#datas.get(data);
    if (at === undefined) {
      at = this.#reserve(data.bytes.length + 1, 8);
      this.#data.set(data.bytes, at);
      this.#datas.set(data, at);
    }
    // Filled in before each op that uses it, so that every use sees the latest results.
    for (const link of data.links) this.#link(at + link.at, link);
    return at;
  }

  #link(at: number, link: Data["links"][number]): void {
    if (link.put === "value") this.#relocs.push(at, this.#number(link.of), RELOC.value, link.width, 0);
    else if (link.put === "decimal")
      this.#relocs.push(at, this.#number(link.of), RELOC.decimal, link.width, link.pad.charCodeAt(0));
    else if (typeof link.of === "string") this.#relocs.push(at, this.#string(link.of), RELOC.data, 8, 0);
    else if (link.of.kind === "data") this.#relocs.push(at, this.#dataOf(link.of), RELOC.data, 8, 0);
    else this.#relocs.push(at, this.#outOf(link.of), RELOC.out, 8, 0);
  }

  #outOf(out: Out): number {
    let at = this.#outs.get(out);
    if (at === undefined) {
      at = align(this.#outEnd, 8);
      this.#outEnd = at + out.size;
      this.#outs.set(out, at);
    }
    return at;
  }

  #reserve(length: number, alignment: number): number {
    const at = align(this.#dataEnd, alignment);
    if (at + length > this.#data.length) {
      const larger = new Uint8Array(Math.max(2 * this.#data.length, at + length));
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#dataEnd = at + length;
    return at;
  }
}

/** An address inside data or output. */
class Offset {
  readonly base: Data | Out;
  readonly at: number;
  constructor(base: Data | Out, at: number) {
    this.base = base;
    this.at = at;
  }
}

const MAGIC = new TextEncoder().encode("vitrine1");
const utf8 = new TextEncoder();

function align(n: number, to: number): number {
  return Math.ceil(n / to) * to;
}
