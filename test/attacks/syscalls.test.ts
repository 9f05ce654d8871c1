/** Calls that a container has no business with, by both tables of calls. The control: no filter, all capabilities, the host's user namespace. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { attack, type Row, rows, untestable, watchCanary, watchFile } from "./tool.ts";

setDefaultTimeout(20_000);
watchFile();
watchCanary();

const EPERM = ["EPERM"];
/** Where the kernel gets to look for what is named, nobody has refused it. */
const LOOKED: Row = { refused: EPERM, control: ["ENOENT"] };
const INVALID: Row = { refused: EPERM, control: ["EINVAL"] };
const plain = (lacking: string): Row => ({ refused: EPERM, lacking: [lacking] });

const CALLS: Readonly<Record<string, Row>> = {
  io_uring: plain("ENOSYS"),
  userfaultfd: plain("ENOSYS"),
  bpf: plain("ENOSYS"),
  perf_event_open: plain("ENOSYS"),
  add_key: plain("ENOSYS"),
  keyctl: plain("ENOSYS"),
  request_key: { refused: EPERM, control: ["ENOKEY"], lacking: ["ENOSYS"] },
  AF_ALG: plain("EAFNOSUPPORT"),
  AF_VSOCK: plain("EAFNOSUPPORT"),
  AF_TIPC: plain("EAFNOSUPPORT"),
  AF_BLUETOOTH: plain("EAFNOSUPPORT"),
  AF_PACKET: plain("EAFNOSUPPORT"),
  raw: { refused: EPERM },
  "raw-v6": plain("EAFNOSUPPORT"),
  kexec_load: plain("ENOSYS"),
  init_module: { refused: EPERM, control: ["ENOEXEC"], lacking: ["ENOSYS"] },
  delete_module: { refused: EPERM, control: ["ENOENT"], lacking: ["ENOSYS"] },
  iopl: plain("ENOSYS"),
  ioperm: plain("ENOSYS"),
  swapon: { ...LOOKED, lacking: ["ENOSYS"] },
  swapoff: { ...LOOKED, lacking: ["ENOSYS"] },
  acct: { ...LOOKED, lacking: ["ENOSYS"] },
  quotactl: { ...LOOKED, lacking: ["ENOSYS"] },
  settimeofday: { refused: EPERM },
  adjtimex: INVALID,
  reboot: INVALID,
  personality: { refused: EPERM },
  clone3: { refused: ["ENOSYS"] },
  mount: { refused: EPERM },
  unshare: { refused: EPERM },
  open_by_handle_at: { refused: EPERM, control: ["ESTALE"] },
  syslog: { refused: EPERM },
  vhangup: { refused: EPERM },
  migrate_pages: { ...INVALID, lacking: ["ENOSYS"] },
};
/** Only 32-bit x86 has it. */
const HIDDEN: Readonly<Record<string, Row>> = { socketcall: plain("EAFNOSUPPORT") };

const OFF = ["--userns", "host", "--cap-add", "ALL", "--security-opt", "seccomp=unconfined"];

function both(what: string, calls: Readonly<Record<string, Row>>, env: readonly string[]): void {
  const names = [...Object.keys(calls), "personality-query"];
  const known = Object.fromEntries(Object.entries(calls).filter(([name]) => name in defended(env)));
  rows(what, known, defended(env), attack("syscalls", [...env, ...OFF], names));
  test(`${what}: asking for the personality is allowed`, () => expect(defended(env)["personality-query"]).toBe("ok"));
  test(`${what}: without a user namespace the answers are the same`, () => {
    expect(attack("syscalls", [...env, "--userns", "host"])).toEqual(defended(env));
  });
}

const memory = new Map<string, ReturnType<typeof attack>>();
function defended(env: readonly string[]) {
  const found = memory.get(env.join()) ?? attack("syscalls", env);
  memory.set(env.join(), found);
  return found;
}

describe("system calls", () => {
  both("64 bits", CALLS, []);
});

describe("through the calls of 32-bit x86", () => {
  const env = ["-e", "NARROW=1"];
  const control = process.arch === "x64" ? attack("syscalls", [...env, ...OFF], ["personality-query"]) : {};
  if (control["personality-query"] !== "ok") return untestable("int 0x80", "it answers no 32-bit calls");
  const socketcall: Row = { ...HIDDEN.socketcall, refused: ["ENOSYS"] };
  both("32 bits", { ...CALLS, socketcall }, env);
});
