/** Classic BPF as seccomp(2) takes it: struct sock_filter and struct seccomp_data. Source: linux/filter.h, linux/seccomp.h. */
export interface BpfInstruction {
  readonly code: number;
  /** Instructions to skip when the comparison holds, and when not: 0 to 255. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

export const BPF_SIZE = 8;
/** BPF_MAXINSNS. */
export const BPF_MOST = 4096;

export const BPF_LD_W_ABS = 0x20;
export const BPF_JA = 0x05;
export const BPF_JEQ = 0x15;
export const BPF_JGT = 0x25;
export const BPF_JGE = 0x35;
export const BPF_JSET = 0x45;
export const BPF_AND = 0x54;
export const BPF_RET = 0x06;

/** Offsets in struct seccomp_data. */
export const DATA_NR = 0;
export const DATA_ARCH = 4;
export const dataArgument = (index: number) => 16 + 8 * index;

export const SECCOMP_SET_MODE_FILTER = 1;

export const SECCOMP_RET_KILL_PROCESS = 0x80000000;
export const SECCOMP_RET_KILL_THREAD = 0;
export const SECCOMP_RET_TRAP = 0x00030000;
export const SECCOMP_RET_ERRNO = 0x00050000;
export const SECCOMP_RET_USER_NOTIF = 0x7fc00000;
export const SECCOMP_RET_TRACE = 0x7ff00000;
export const SECCOMP_RET_LOG = 0x7ffc0000;
export const SECCOMP_RET_ALLOW = 0x7fff0000;

export const SECCOMP_FILTER_FLAG_TSYNC = 1;
export const SECCOMP_FILTER_FLAG_LOG = 2;
export const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
export const SECCOMP_FILTER_FLAG_NEW_LISTENER = 8;
export const SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32;

/** Little endian, as every machine is that the engine runs on. */
export function encodeBpf(program: readonly BpfInstruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * BPF_SIZE);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    const at = i * BPF_SIZE;
    if (jt > 255 || jf > 255) throw new RangeError(`instruction ${i} jumps too far for a byte`);
    view.setUint16(at, code, true);
    view.setUint8(at + 2, jt);
    view.setUint8(at + 3, jf);
    view.setUint32(at + 4, k, true);
  }
  return bytes;
}

export function decodeBpf(bytes: Uint8Array): BpfInstruction[] {
  if (bytes.length % BPF_SIZE !== 0) throw new RangeError(`${bytes.length} bytes are no whole number of instructions`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / BPF_SIZE }, (_, i) => {
    const at = i * BPF_SIZE;
    return {
      code: view.getUint16(at, true),
      jt: view.getUint8(at + 2),
      jf: view.getUint8(at + 3),
      k: view.getUint32(at + 4, true),
    };
  });
}
