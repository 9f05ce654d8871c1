/** An interpreter of classic BPF over struct seccomp_data, after seccomp_check_filter() and bpf_check_classic() of the kernel. */
import { BPF_MOST, type BpfInstruction } from "../src/linux/bpf.ts";

export interface Call {
  readonly arch: number;
  readonly nr: number;
  /** Six, 64 bits each. */
  readonly args: readonly bigint[];
}

export interface Verdict {
  readonly action: number;
  /** Instructions it took. */
  readonly steps: number;
}

const DATA_SIZE = 64;

export function seccompData({ arch, nr, args }: Call): DataView {
  const view = new DataView(new ArrayBuffer(DATA_SIZE));
  view.setUint32(0, nr, true);
  view.setUint32(4, arch, true);
  for (const [i, value] of args.entries()) view.setBigUint64(16 + 8 * i, BigInt.asUintN(64, value), true);
  return view;
}

export function runBpf(program: readonly BpfInstruction[], data: DataView): Verdict {
  let a = 0;
  let steps = 0;
  for (let pc = 0; ; pc++) {
    const op = program[pc];
    if (!op) throw new Error(`ran out of the program at ${pc}`);
    steps++;
    const { code, jt, jf, k } = op;
    if (code === 0x06) return { action: k, steps };
    if (code === 0x20) a = data.getUint32(k, true);
    else if (code === 0x54) a = (a & k) >>> 0;
    else if (code === 0x05) pc += k;
    else if (code === 0x15) pc += a === k ? jt : jf;
    else if (code === 0x25) pc += a > k ? jt : jf;
    else if (code === 0x35) pc += a >= k ? jt : jf;
    else if (code === 0x45) pc += (a & k) !== 0 ? jt : jf;
    else throw new Error(`instruction ${pc}: code 0x${code.toString(16)} is not known`);
  }
}

/** What the kernel refuses to load. */
export function checkBpf(program: readonly BpfInstruction[]): void {
  if (program.length === 0 || program.length > BPF_MOST) throw new Error(`${program.length} instructions`);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    const last = program.length - 1;
    if (code === 0x20 && (k % 4 !== 0 || k >= DATA_SIZE)) throw new Error(`instruction ${i} loads from ${k}`);
    if (code === 0x05 && i + k + 1 > last) throw new Error(`instruction ${i} jumps out of the program`);
    if ([0x15, 0x25, 0x35, 0x45].includes(code) && (i + jt + 1 > last || i + jf + 1 > last))
      throw new Error(`instruction ${i} jumps out of the program`);
  }
  if (program.at(-1)?.code !== 0x06) throw new Error("the program does not end in a return");
}
