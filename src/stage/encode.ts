/** A plan as the stage reads it. The format is told in stage/wire.h. */
import type { Arch } from "../linux/arch.ts";
import { ERRNO, type Errno } from "../linux/errno.ts";
import { syscallNumber } from "../linux/syscalls.ts";
import { bytes, strings, struct, u32, u64 } from "../plan/instructions.ts";
import {
  type Arg,
  type Data,
  type Held,
  type Instruction,
  LOG_FILE,
  type Op,
  type Out,
  type Plan,
  type Section,
  type Serve,
} from "../plan/plan.ts";
import { HEADER_SIZE, OP_SIZE, PAGE, RECORD_SIZE, RELOC_SIZE, REPORT_HEAD } from "./layout.ts";

/** The stage's programs, by the number it takes on its command line. */
export const PROGRAM = {
  run: 0,
  failed: 1,
  recover: 2,
  resume: 3,
  start: 4,
  state: 5,
  kill: 6,
  delete: 7,
  pause: 8,
  unpause: 9,
  ps: 10,
  list: 11,
  groups: 12,
  update: 13,
} as const;

const LATER = ["start", "state", "kill", "delete", "pause", "unpause", "ps", "list", "groups", "update"] as const;

const KIND = {
  sys: 1,
  clone: 2,
  alt: 3,
  expect: 4,
  await: 5,
  spawn: 6,
  undo: 7,
  serve: 8,
  walk: 9,
  stream: 10,
} as const;
const ARG = { number: 0, data: 1, result: 2, out: 3, given: 4 } as const;
const RELOC = { data: 1, out: 2, value: 3, decimal: 4 } as const;
const FLAG = { wake: 1, retry: 2 } as const;
const SERVE = { signals: 0, output: 1, terminal: 2, reaper: 3, monitor: 4, client: 5 } as const;
const WALK = { remove: 1, kill: 2, copy: 3, list: 4, move: 5 } as const;

/** What became of each instruction of an encoded plan. */
export interface Layout {
  /** By op number of the stage: the instruction, and the op (or undo) it belongs to. */
  readonly instructions: readonly Placed[];
  /** How many of them, from the first, are the run itself. */
  readonly runCount: number;
  /** Offset of each output among the output bytes. */
  readonly outs: ReadonlyMap<Out, number>;
}

export interface Placed {
  readonly instruction: Instruction;
  readonly op: Op;
  readonly undoing: boolean;
}

export interface Encoded {
  /** The whole file: plan and zeroed report. */
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

export function encode(plan: Plan, arch: Arch): Encoded {
  const encoder = new PlanEncoder(arch);
  encoder.place(plan);
  return encoder.write();
}

const NOTHING: readonly Arg[] = [];
/** Room for them in an op: see stage/wire.h. */
const MOST_ERRNOS = 4;
const OP_WORDS = OP_SIZE / 4;

/** On the start path of every container, where no code is warm yet: plain loops over typed arrays. */
class PlanEncoder {
  readonly #arch: Arch;
  readonly #slots: Slot[] = [];
  readonly #numbers = new Map<Instruction, number>();
  readonly #awaited = new Set<Instruction>();
  readonly #programs: [number, number][] = [];
  readonly #strings = new Map<string, number>();
  readonly #datas = new Map<Data, number>();
  readonly #outs = new Map<Out, number>();
  #ops = new Uint8Array(0);
  #words = new Uint32Array(0);
  #data = new Uint8Array(32768);
  #dataEnd = 0;
  #outEnd = 0;
  /** at, of, and kind, width and pad in one word. */
  #relocs: number[] = [];

  constructor(arch: Arch) {
    this.#arch = arch;
  }

  place(plan: Plan): void {
    const undos: Slot[] = [];
    this.#program(() => this.#sections(plan.run, undos));
    this.#program(() => this.#list(plan.failed, undos));
    this.#program(() => this.#list(plan.recover, undos));
    const [first, count] = this.#programs[PROGRAM.run] as [number, number];
    const behind = this.#slots.findLastIndex((slot, i) => i < first + count && slot.op === plan.restart) + 1;
    this.#programs.push(plan.restart ? [behind, first + count - behind] : [0, 0]);
    for (const name of LATER) this.#program(() => this.#list(plan.later?.[name] ?? [], undos));
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
    for (const section of sections) this.#list(section.ops, undos);
  }

  #list(ops: readonly Op[], undos: Slot[]): void {
    for (const op of ops) {
      const first = this.#slots.length;
      for (const instruction of op.does) this.#place(instruction, op, false, undos);
      if (!op.undo) continue;
      const slot = this.#slots[op.undo.of ? this.#number(op.undo.of) : first];
      if (slot?.op !== op)
        throw new Error(`${op.call} ${op.object}: an undo without an instruction that it takes back`);
      undos.push(slot);
    }
  }

  #place(instruction: Instruction, op: Op, undoing: boolean, undos: Slot[]): void {
    const number = this.#slots.length;
    if (this.#numbers.has(instruction))
      throw new Error(`${op.call} ${op.object}: an instruction that is in the plan twice`);
    const slot: Slot = { instruction, op, undoing, size: 0, first: 0, undo: 0, undoCount: 0 };
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

  write(): Encoded {
    const count = this.#slots.length;
    this.#ops = new Uint8Array(count * OP_SIZE);
    this.#words = new Uint32Array(this.#ops.buffer);
    for (let i = 0; i < count; i++) this.#writeOp(i, this.#slots[i] as Slot);

    const relocCount = this.#relocs.length / 3;
    const dataAt = align(HEADER_SIZE + this.#ops.length + relocCount * RELOC_SIZE, 8);
    const size = dataAt + this.#dataEnd;
    const reportOffset = align(size, PAGE);
    const reportSize = REPORT_HEAD + count * RECORD_SIZE + this.#outEnd;
    const file = new Uint8Array(reportOffset + reportSize);
    file.set(MAGIC, 0);
    const numbers = [size, count, relocCount, this.#dataEnd, reportOffset, this.#outEnd, ...this.#programs.flat()];
    new Uint32Array(file.buffer, 8, numbers.length).set(numbers);
    file.set(this.#ops, HEADER_SIZE);
    new Uint32Array(file.buffer, HEADER_SIZE + this.#ops.length, this.#relocs.length).set(this.#relocs);
    file.set(this.#data.subarray(0, this.#dataEnd), dataAt);
    const runCount = this.#programs[PROGRAM.run]?.[1] ?? 0;
    return { file, layout: { instructions: this.#slots, runCount, outs: this.#outs } };
  }

  #writeOp(index: number, slot: Slot): void {
    const { instruction } = slot;
    const at = index * OP_SIZE;
    const word = index * OP_WORDS;
    const words = this.#words;
    const relocFirst = this.#relocs.length / 3;
    let nr = 0;
    let args = NOTHING as readonly (Arg | Offset)[];
    let ok: readonly Errno[] | undefined;
    let flags = this.#awaited.has(instruction) ? FLAG.wake : 0;
    if (instruction.do === "sys") {
      nr = syscallNumber(instruction.call, this.#arch);
      args = instruction.args;
      ok = instruction.ok;
      if (instruction.retry) flags |= FLAG.retry;
    } else [nr, args, ok] = this.#operands(instruction);
    this.#ops[at] = KIND[instruction.do];
    this.#ops[at + 1] = flags;
    words[word + 2] = nr;
    words[word + 3] = slot.size;
    words[word + 4] = slot.first;
    words[word + 5] = slot.undo;
    words[word + 6] = slot.undoCount;
    for (let i = 0; i < args.length; i++) this.#writeArg(at + 2 + i, word + 12 + 2 * i, args[i] as Arg);
    words[word + 7] = relocFirst;
    words[word + 8] = this.#relocs.length / 3 - relocFirst;
    if (ok && ok.length > MOST_ERRNOS) throw new Error(`an instruction names more than ${MOST_ERRNOS} errnos`);
    if (ok)
      for (let i = 0; i < ok.length; i++) {
        const errno = ERRNO[ok[i] as Errno];
        this.#ops[at + 36 + 2 * i] = errno & 255;
        this.#ops[at + 37 + 2 * i] = errno >> 8;
      }
  }

  #operands(
    i: Exclude<Instruction, { do: "sys" }>,
  ): [number, readonly (Arg | Offset)[], (readonly Errno[] | undefined)?] {
    switch (i.do) {
      case "clone":
        return [0, [i.args, i.args.bytes.length]];
      case "alt":
        return [0, NOTHING, i.on];
      case "expect": {
        const rest = [i.mask, i.is, ERRNO[i.errno]];
        if (!("load" in i.value)) return [0, [i.value, ...rest]];
        return [i.value.width, [new Offset(i.value.load, i.value.at), ...rest]];
      }
      case "await":
        return [0, [this.#number(i.done), i.peer]];
      case "spawn": {
        return [0, [i.path, strings(i.argv), strings(i.env), i.stdin, i.stdin.bytes.length, i.timeoutMs]];
      }
      case "walk":
        if (i.mode === "list") return [WALK.list, [i.dir, i.to, i.from, i.path, i.path.size, i.name ?? 0]];
        if (i.mode === "move") return [WALK.move, [i.dir, i.path, i.to]];
        return i.mode === "copy" ? [WALK.copy, [i.dir, i.to]] : [WALK[i.mode], [i.dir, i.path], i.ok];
      case "stream":
        return [0, [i.dir, i.from, i.resolve, i.path, i.path.size]];
      case "serve":
        return [SERVE[i.mode], [i.pidfd, i.master ?? -1, i.timeoutMs ?? 0, ...serveOperands(i)]];
      case "undo":
        return [0, NOTHING];
    }
  }

  #writeArg(kindAt: number, word: number, arg: Arg | Offset): void {
    const words = this.#words;
    let kind: number;
    let value: number;
    if (typeof arg === "number") {
      words[word] = arg; // modulo 2^32
      words[word + 1] = arg < 0 || arg > 0xffffffff ? Math.floor(arg / 0x100000000) : 0;
      return;
    }
    if (typeof arg === "string") {
      kind = ARG.data;
      value = this.#string(arg);
    } else if (typeof arg === "bigint") {
      words[word] = Number(arg & 0xffffffffn);
      words[word + 1] = Number((arg >> 32n) & 0xffffffffn);
      return;
    } else if (arg instanceof Offset) {
      kind = arg.base.kind === "data" ? ARG.data : ARG.out;
      value = (arg.base.kind === "data" ? this.#dataOf(arg.base) : this.#outOf(arg.base)) + arg.at;
    } else if ("do" in arg) {
      kind = ARG.result;
      value = this.#number(arg);
    } else if (arg.kind === "data") {
      kind = ARG.data;
      value = this.#dataOf(arg);
    } else if (arg.kind === "given") {
      kind = ARG.given;
      value = 0;
    } else {
      kind = ARG.out;
      value = this.#outOf(arg);
    }
    this.#ops[kindAt] = kind;
    words[word] = value;
  }

  #number(instruction: Instruction): number {
    const n = this.#numbers.get(instruction);
    if (n === undefined) throw new Error(`an op uses the result of a ${instruction.do} that is not in the plan`);
    return n;
  }

  #string(value: string): number {
    const known = this.#strings.get(value);
    if (known !== undefined) return known;
    const at = this.#reserve(value.length * 3 + 1, 1);
    const { written } = utf8.encodeInto(value, this.#data.subarray(at));
    this.#dataEnd = at + written + 1;
    this.#data[at + written] = 0;
    this.#strings.set(value, at);
    return at;
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
    if (link.put === "value") this.#relocs.push(at, this.#number(link.of), RELOC.value | (link.width << 8));
    else if (link.put === "decimal")
      this.#relocs.push(at, this.#number(link.of), RELOC.decimal | (link.width << 8) | (link.pad.charCodeAt(0) << 16));
    else if (typeof link.of === "string") this.#relocs.push(at, this.#string(link.of), RELOC.data);
    else if (link.of.kind === "data") this.#relocs.push(at, this.#dataOf(link.of), RELOC.data);
    else this.#relocs.push(at, this.#outOf(link.of), RELOC.out);
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

function serveOperands({ mode, ends = 0, door, connection, held, keys = [], flags = 0 }: Serve): Arg[] {
  if (mode === "monitor")
    return [door ?? -1, connection ?? -1, heldBytes(held ?? { input: -1, output: -1, error: -1 })];
  if (mode === "client") return [keys.length > 0 ? bytes(Uint8Array.from(keys)) : 0, keys.length, flags];
  return [ends];
}

/** struct held */
function heldBytes({ input, output, error, log }: Held): Data {
  const name = new Uint8Array(LOG_NAME);
  name.set(utf8.encode(LOG_FILE));
  const words = [input, output, error, log?.directory ?? -1].map((value) => u32(value));
  const { bytes: numbers } = struct([...words, u64(log?.most ?? 0), u32(log?.files ?? 0)]);
  const all = new Uint8Array(numbers.length + LOG_NAME);
  all.set(numbers);
  all.set(name, numbers.length);
  return bytes(all);
}

/** Room for the name of a log in struct held. */
const LOG_NAME = 12;

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

/** `to` is a power of two. */
function align(n: number, to: number): number {
  return (n + to - 1) & -to;
}
