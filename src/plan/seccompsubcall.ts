/**
 * 32-bit x86 has two calls that stand for many: socketcall(2) and ipc(2), told by their first argument. A rule about socket(2) is
 * there one about socketcall(2) too.
 */
import { SECCOMP_RET_ALLOW, SECCOMP_RET_LOG } from "../linux/bpf.ts";
import type { Step } from "./seccomprules.ts";

const SOCKETCALL = 102;
const IPC = 117;

/** linux/net.h and linux/ipc.h. */
const SOCKET_CALLS = `socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom
  shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg`.split(/\s+/);
const IPC_CALLS: Record<string, number> = {
  ...{ semop: 1, semget: 2, semctl: 3, semtimedop: 4, msgsnd: 11, msgrcv: 12, msgget: 13, msgctl: 14 },
  ...{ shmat: 21, shmdt: 22, shmget: 23, shmctl: 24 },
};

/**
 * The arguments of the call proper lie in memory, out of the filter's sight. So a rule that looks at them cannot allow
 * anything here, and one that forbids something forbids all of the call. (libseccomp compares the wrong words instead.)
 */
export function subcall(name: string, { tests, result }: Step): { number: number; step: Step } | undefined {
  if (tests.length > 0 && (result === SECCOMP_RET_ALLOW || result === SECCOMP_RET_LOG)) return undefined;
  const socket = SOCKET_CALLS.indexOf(name) + 1;
  const code = socket || IPC_CALLS[name];
  if (!code) return undefined;
  const first = { index: 0, op: "SCMP_CMP_EQ", mask: 2n ** 64n - 1n, value: BigInt(code) } as const;
  return { number: socket ? SOCKETCALL : IPC, step: { tests: [first], result } };
}
