/**
 * A program of classic BPF as a graph of decisions, and the graph as instructions. Jumps of BPF go forward only, and those
 * of comparisons 255 instructions at most; so the graph is laid out from its end.
 */
import {
  BPF_AND,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JSET,
  BPF_LD_W_ABS,
  BPF_MOST,
  BPF_RET,
  type BpfInstruction,
} from "../linux/bpf.ts";

export type Code =
  | { readonly op: "return"; readonly k: number }
  | { readonly op: "load" | "and"; readonly k: number; readonly next: Code }
  | { readonly op: Comparison; readonly k: number; readonly yes: Code; readonly no: Code };

export type Comparison = "jeq" | "jgt" | "jge" | "jset";

const CODES = {
  return: BPF_RET,
  load: BPF_LD_W_ABS,
  and: BPF_AND,
  jeq: BPF_JEQ,
  jgt: BPF_JGT,
  jge: BPF_JGE,
  jset: BPF_JSET,
};
const FARTHEST = 255;

/** Equal code is the same object, and so stands in the program once. */
export class CodeMaker {
  readonly #made = new Map<string, Code>();
  readonly #numbers = new Map<Code, number>();
  readonly #returns = new Map<number, Code>();

  return(k: number): Code {
    const known = this.#returns.get(k);
    if (known) return known;
    const code = this.#same(`return ${k}`, { op: "return", k: k >>> 0 });
    this.#returns.set(k, code);
    return code;
  }

  /** The word at `offset` of struct seccomp_data is what later code compares. */
  load(offset: number, next: Code): Code {
    return this.#same(`load ${offset} ${this.#number(next)}`, { op: "load", k: offset, next });
  }

  and(mask: number, next: Code): Code {
    return this.#same(`and ${mask} ${this.#number(next)}`, { op: "and", k: mask, next });
  }

  when(op: Comparison, k: number, yes: Code, no: Code): Code {
    if (yes === no) return yes;
    return this.#same(`${op} ${k} ${this.#number(yes)} ${this.#number(no)}`, { op, k, yes, no });
  }

  #same(key: string, code: Code): Code {
    const known = this.#made.get(key);
    if (known) return known;
    this.#made.set(key, code);
    this.#numbers.set(code, this.#made.size);
    return code;
  }

  #number(code: Code): number {
    return this.#numbers.get(code) ?? 0;
  }
}

/** Undefined if it would be longer than the kernel takes. */
export function layOut(start: Code): BpfInstruction[] | undefined {
  const layout = new Layout();
  // Not by recursion: a call with thousands of rules is a chain of thousands of decisions.
  const open: Code[] = [start];
  for (let code = open.at(-1); code; code = open.at(-1)) {
    const missing = layout.missing(code);
    if (missing) open.push(missing);
    else {
      layout.put(code);
      open.pop();
    }
    if (layout.length > BPF_MOST) return undefined;
  }
  return layout.program();
}

class Layout {
  /** Last instruction first. */
  readonly #reversed: BpfInstruction[] = [];
  /** Where a jump to this code can go: its own place, or the nearest jump to it. */
  readonly #places = new Map<Code, number>();

  get length(): number {
    return this.#reversed.length;
  }

  /** What has to be laid out before this. */
  missing(code: Code): Code | undefined {
    if (code.op === "return") return undefined;
    if ("next" in code) return this.#places.has(code.next) ? undefined : code.next;
    return [code.no, code.yes].find((c) => !this.#places.has(c));
  }

  put(code: Code): void {
    if (this.#places.has(code)) return;
    if ("next" in code) this.#bring(code.next, 0);
    else if (code.op !== "return") {
      this.#bring(code.no, FARTHEST - 1); // the line below may put one instruction between
      this.#bring(code.yes, FARTHEST);
    }
    const [jt, jf] = "yes" in code ? [this.#skip(code.yes), this.#skip(code.no)] : [0, 0];
    this.#push(code, { code: CODES[code.op], jt, jf, k: code.k });
  }

  program(): BpfInstruction[] {
    return this.#reversed.reverse();
  }

  /** Sees to it that no more than `most` instructions lie between here and the code. */
  #bring(code: Code, most: number): void {
    const skip = this.#skip(code);
    if (skip <= most) return;
    if (code.op === "return") this.#push(code, { code: BPF_RET, jt: 0, jf: 0, k: code.k });
    else this.#push(code, { code: BPF_JA, jt: 0, jf: 0, k: skip });
  }

  #skip(code: Code): number {
    return this.#reversed.length - 1 - (this.#places.get(code) ?? 0);
  }

  #push(code: Code, instruction: BpfInstruction): void {
    this.#places.set(code, this.#reversed.length);
    this.#reversed.push(instruction);
  }
}
