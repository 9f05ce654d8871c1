/** eBPF as BPF_PROG_TYPE_CGROUP_DEVICE takes it: struct bpf_insn, struct bpf_cgroup_dev_ctx. Source: linux/bpf.h, cgroup-v2.rst "Device controller". */

export const BPF_PROG_LOAD = 5;
export const BPF_PROG_ATTACH = 8;
export const BPF_PROG_TYPE_CGROUP_DEVICE = 15;
export const BPF_CGROUP_DEVICE = 6;
export const BPF_F_ALLOW_MULTI = 2;

/** What a program is told: who wants what of which device. Bits of `access`: 1 mknod, 2 read, 4 write. */
const ACCESS_TYPE = 0;
const MAJOR = 4;
const MINOR = 8;
const TYPE = { b: 1, c: 2 } as const;
const ACCESS: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };

export interface DeviceTest {
  readonly allow: boolean;
  readonly type: "a" | "c" | "b";
  /** -1 for all. */
  readonly major: number;
  readonly minor: number;
  /** Of "rwm". */
  readonly access: string;
}

// Opcodes: class, operation, source (linux/bpf_common.h, linux/bpf.h).
const LOAD_WORD = 0x61;
const MOVE = 0xbf;
const MOVE_NUMBER = 0xb7;
const AND_NUMBER = 0x54;
const SHIFT_RIGHT = 0x74;
const JUMP_NOT_EQUAL = 0x55;
const JUMP_NOT_EQUAL_REGISTER = 0x5d;
const EXIT = 0x95;

// r1 the context; r2 type, r3 access, r4 major, r5 minor; r6 for masking.
const [R0, R1, R2, R3, R4, R5, R6] = [0, 1, 2, 3, 4, 5, 6] as const;

class Maker {
  readonly #words: number[] = [];

  get length(): number {
    return this.#words.length / 2;
  }

  add(code: number, to: number, from: number, offset: number, value: number): void {
    this.#words.push(code | (to << 8) | (from << 12) | ((offset & 0xffff) << 16), value);
  }

  /** Has a jump that stands at `at` lead to the end. */
  land(at: number): void {
    const word = this.#words[2 * at] ?? 0;
    this.#words[2 * at] = (word & 0xffff) | ((this.length - at - 1) << 16);
  }

  bytes(): Uint8Array {
    return new Uint8Array(Int32Array.from(this.#words).buffer);
  }
}

/**
 * The last rule that is about a device and covers all that is wanted of it decides; without one it is denied.
 * @returns struct bpf_insn[], little endian
 */
export function deviceProgram(rules: readonly DeviceTest[]): Uint8Array {
  const code = new Maker();
  code.add(LOAD_WORD, R2, R1, ACCESS_TYPE, 0);
  code.add(MOVE, R3, R2, 0, 0);
  code.add(AND_NUMBER, R2, 0, 0, 0xffff);
  code.add(SHIFT_RIGHT, R3, 0, 0, 16);
  code.add(LOAD_WORD, R4, R1, MAJOR, 0);
  code.add(LOAD_WORD, R5, R1, MINOR, 0);
  for (const { allow, type, major, minor, access } of [...rules].reverse()) {
    const jumps: number[] = [];
    const jump = (opcode: number, register: number, from: number, value: number) => {
      jumps.push(code.length);
      code.add(opcode, register, from, 0, value);
    };
    if (type !== "a") jump(JUMP_NOT_EQUAL, R2, 0, TYPE[type]);
    const bits = [...new Set(access)].reduce((all, letter) => all | (ACCESS[letter] ?? 0), 0);
    if (bits !== 7) {
      code.add(MOVE, R6, R3, 0, 0);
      // Allowed is what is wanted and no more; denied, whatever of it is wanted.
      code.add(AND_NUMBER, R6, 0, 0, bits);
      if (allow) jump(JUMP_NOT_EQUAL_REGISTER, R6, R3, 0);
      else {
        jumps.push(code.length);
        code.add(0x15, R6, 0, 0, 0); // JEQ: nothing of it is wanted
      }
    }
    if (major >= 0) jump(JUMP_NOT_EQUAL, R4, 0, major);
    if (minor >= 0) jump(JUMP_NOT_EQUAL, R5, 0, minor);
    code.add(MOVE_NUMBER, R0, 0, 0, allow ? 1 : 0);
    code.add(EXIT, 0, 0, 0, 0);
    // Nothing gets past this rule, and the verifier refuses what is never reached.
    if (jumps.length === 0) return code.bytes();
    for (const at of jumps) code.land(at);
  }
  code.add(MOVE_NUMBER, R0, 0, 0, 0);
  code.add(EXIT, 0, 0, 0, 0);
  return code.bytes();
}
