/** A DHCP client of the host's, in the container's network namespace: begun before its program, waited for, and ended behind it. */
import {
  AT_FDCWD,
  CLONE_NEWNET,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
  PR_SET_PDEATHSIG,
  S_IFIFO,
  SIG_SETMASK,
  SIGCHLD,
  SIGKILL,
  SIGTERM,
  WALL,
} from "../../linux/constants.ts";
import type { HostFacts } from "../../linux/facts.ts";
import {
  alt,
  awaits,
  bytes,
  expect,
  out,
  strings,
  struct,
  sys,
  text,
  u16,
  u32,
  u64,
  withPid,
} from "../instructions.ts";
import { leaveGroups } from "../monitorgroups.ts";
import { type Child, cloneArgs } from "../namespaces.ts";
import { byDhcp, byKeeper, onHost, quote } from "../op.ts";
import type { Clone, Data, Instruction, Op, Undo } from "../plan.ts";

export interface DhcpClient {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** What it needs to work, made first; in a directory of the run. */
  readonly directory: string;
  readonly files: readonly { readonly name: string; readonly text: string; readonly mode: number }[];
  /** So long a start waits for the lease. */
  readonly seconds: number;
  /** The default route is the one that the server tells of. */
  readonly way: boolean;
}

/** In the directory: the hook writes one byte there when the container has its address, another one when that failed. */
export const TOLD = "told";
export const HAS_ADDRESS = "+";
export const HAS_NONE = "-";
/** What the last lease says: see src/spec/dhcplease.ts. */
export const LEASE = "lease.json";
/** One of the files. */
export const HOOK = "hook";
const LOG = "log";
/** A pipe that the client has open, as its standard input, as long as it lives. */
const ALIVE = "alive";

const POLLIN = 1;
const ALL = 0xffffffffn;
/** So long its end is waited for: it tells the server that the address is free. */
const FAREWELL_SECONDS = 3;

export interface DhcpOps {
  readonly outside: readonly Op[];
  /** Waits for the lease. */
  readonly leased: Op;
  /** Descriptor of the client, to be held while the container runs. */
  readonly held: Instruction;
  /** @param descriptor the number under which `held` is held */
  end(descriptor: number): Op;
}

/** @param up when this is done, the device is up @param facts the client leaves the groups of whoever starts the container */
export function planDhcp(
  client: DhcpClient,
  device: string,
  up: Instruction,
  child: Child,
  procfs: Instruction,
  facts: HostFacts,
): DhcpOps {
  const place = makePlace(client, device);
  const keeper = cloneKeeper(client, device, up, child, procfs, facts);
  return {
    outside: [place.op, keeper.op],
    leased: awaitLease(client, device, place.told, keeper.pidfd),
    held: keeper.client,
    end: (descriptor) => endClient(client, device, keeper.pid, descriptor),
  };
}

/** A script makes it in its own directory. */
const inScript = (text: string, directory: string, device: string) =>
  text
    .split(directory)
    .map((part) => (part === "" ? "" : quote(part)))
    .join(`"$WORK"/dhcp-${device}`);

/** The hook it writes itself. */
function scriptPlace(device: string, directory: string, files: DhcpClient["files"]): string {
  const place = `"$WORK"/dhcp-${device}`;
  const lines = files.flatMap(({ name, text: content, mode }) => {
    const file = `${place}/${quote(name)}`;
    if (name === HOOK) return [];
    return [`printf %s ${inScript(content, directory, device)} > ${file}`, `chmod ${mode.toString(8)} ${file}`];
  });
  return [`mkdir -m 700 ${place}`, ...lines].join("\n");
}

function makePlace({ directory, files }: DhcpClient, device: string): { op: Op; told: Instruction } {
  const made = sys("mkdirat", [AT_FDCWD, directory, 0o700]);
  const told = sys("openat", [AT_FDCWD, `${directory}/${TOLD}`, O_RDWR | O_NONBLOCK | O_CLOEXEC]);
  const written = files.flatMap(({ name, text: content, mode }) => {
    const file = sys("openat", [AT_FDCWD, `${directory}/${name}`, O_WRONLY | O_CREAT | O_CLOEXEC, mode]);
    const data = text(content);
    return [file, sys("write", [file, data, data.bytes.length]), sys("close", [file])];
  });
  const pipes = [TOLD, ALIVE].map((name) => sys("mknodat", [AT_FDCWD, `${directory}/${name}`, S_IFIFO | 0o600, 0]));
  const words = {
    call: "mkdirat",
    object: directory,
    why: "What the DHCP client works with: a hook that sets what the server says, and a pipe by which that tells of it.",
    sh: `mkdir -p ${quote(directory)}`,
    script: scriptPlace(device, directory, files),
    undo: {
      of: made,
      call: "unlinkat",
      object: directory,
      sh: `rm -rf ${quote(directory)}`,
      script: "",
      does: [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] } as const],
    },
  };
  return { op: onHost(words, [made, ...written, ...pipes, told]), told };
}

/**
 * The client is the child of a process that waits for it, and is told by the kernel to end when that one is gone, however it went: a
 * client that ends so gives its address back. It holds the network namespace until then.
 */
function cloneKeeper(
  dhcp: DhcpClient,
  device: string,
  up: Instruction,
  child: Child,
  procfs: Instruction,
  facts: HostFacts,
) {
  const { argv, directory, way } = dhcp;
  const namespace = sys("openat", [procfs, withPid("", child.pid, "/ns/net"), O_RDONLY | O_CLOEXEC]);
  const nothing = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC]);
  const alive = sys("openat", [AT_FDCWD, `${directory}/${ALIVE}`, O_RDWR | O_CLOEXEC]);
  const log = sys("openat", [AT_FDCWD, `${directory}/${LOG}`, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600]);
  const keeperPid = sys("getpid", []);
  const parent = sys("getppid", []);
  const environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
  const program = {
    call: "execve",
    object: argv.join(" "),
    why: "The host's program, on the host's files, in the container's network: it renews the lease in time, and gives it back when it is told to end.",
    script: "",
  };
  const body = byDhcp(program, [
    sys("prctl", [PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0]),
    parent,
    expect(parent, ALL, keeperPid, "ESRCH"), // it may have died before
    sys("setns", [namespace, CLONE_NEWNET]),
    alive,
    sys("dup3", [alive, 0, 0]),
    log,
    sys("dup3", [log, 1, 0]),
    sys("dup3", [log, 2, 0]),
    sys("close_range", [3, 0xffffffff, 0]),
    sys("rt_sigprocmask", [SIG_SETMASK, bytes(new Uint8Array(8)), 0, 8]),
    sys("umask", [0o022]),
    sys("execve", [argv[0] ?? "", strings(argv), strings(environment)]),
  ]);
  const client: Clone = {
    do: "clone",
    args: cloneArgs(0n, SIGCHLD, undefined),
    body: [{ phase: "Namespaces", ops: [body] }],
  };
  const keep = {
    call: "wait4",
    object: `the DHCP client of ${device}`,
    why: "Ends with the stage, by the kernel's hand; then the client is told to end, and gives the address back.",
    script: "",
  };
  const keeps = byKeeper(keep, [
    sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]),
    sys("setsid", []),
    ...leaveGroups(facts).flatMap(({ does }) => does),
    sys("chdir", ["/"]),
    nothing,
    sys("dup3", [nothing, 0, 0]),
    keeperPid,
    client,
    sys("dup3", [nothing, 1, 0]),
    sys("dup3", [nothing, 2, 0]),
    sys("close_range", [3, 0xffffffff, 0]),
    sys("wait4", [client, 0, WALL, 0]),
    sys("exit_group", [0]),
  ]);
  const pid: Clone = {
    do: "clone",
    args: cloneArgs(0n, SIGCHLD, undefined),
    body: [{ phase: "Namespaces", ops: [keeps] }],
  };
  const pidfd = sys("pidfd_open", [pid, 0]);
  const held = sys("pidfd_open", [client, 0]);
  const told = {
    call: "clone3",
    object: `a DHCP client for ${device}`,
    why: "The container's address is another's to give: the host's own client asks for it, in the container's network namespace.",
    script: `dhcp_start ${device} ${way ? "ours" : "others"} ${argv.map((word) => inScript(word, directory, device)).join(" ")}`,
    undo: waitForEnd(dhcp, device, held),
  };
  const does = [awaits(up, child.pidfd), namespace, pid, pidfd, awaits(client, pidfd), held, sys("close", [namespace])];
  return { op: onHost(told, does), pid, pidfd, client: held };
}

/** After a failure the keeper is gone: the client gives the address back with what is in its directory, which goes next. */
function waitForEnd({ directory }: DhcpClient, device: string, of: Instruction): Undo {
  const alive = sys("openat", [AT_FDCWD, `${directory}/${ALIVE}`, O_RDONLY | O_NONBLOCK | O_CLOEXEC]);
  const watch = struct([u32(alive), u16(0), u16(0)]); // POLLHUP
  const gone = sys("read", [alive, out(8), 1]); // nobody has it open for writing
  const ended = sys("ppoll", [watch, 1, struct([u64(FAREWELL_SECONDS), u64(0)]), 0, 8]);
  const does = [alt([alive, alt([gone], [ended], ["EAGAIN"]), sys("close", [alive])], [])];
  return { of, call: "ppoll", object: `the DHCP client of ${device}`, script: `dhcp_end ${device}`, does };
}

function awaitLease({ seconds }: DhcpClient, device: string, told: Instruction, keeper: Instruction): Op {
  const watch = struct([u32(told), u16(POLLIN), u16(0), u32(keeper), u16(POLLIN), u16(0)]);
  const polled = sys("ppoll", [watch, 2, struct([u64(seconds), u64(0)]), allBut(INTERRUPTS), 8]);
  const said = out(8);
  const read = sys("read", [told, said, 1]);
  const never = (errno: "ETIMEDOUT" | "ECHILD") => expect(polled, 0n, 1n, errno);
  const words = {
    call: "ppoll",
    object: `a lease for ${device}, for ${seconds} s at most`,
    why: "Its program does not begin without an address. What the server says of routes and name servers is set by then.",
    script: `before_program dhcp_await ${device} ${seconds}`,
  };
  return onHost(words, [
    polled,
    alt([expect(polled, ALL, 0n, "EAGAIN"), never("ETIMEDOUT")], [], ["EAGAIN"]),
    alt([read], [never("ECHILD")], ["EAGAIN"]),
    expect({ load: said, at: 0, width: 1 }, 0xffn, BigInt(HAS_ADDRESS.charCodeAt(0)), "EPROTO"),
    sys("close", [told]),
    sys("close", [keeper]),
  ]);
}

/** What a user sends who does not want to wait: it ends the start as it ends any program, and the kernel ends the rest. */
const INTERRUPTS = [1, 2, 3, SIGTERM];

/** A set of signals. */
function allBut(signals: readonly number[]): Data {
  return struct([u64(signals.reduce((set, signal) => set & ~(1n << BigInt(signal - 1)), 0xffffffffffffffffn))]);
}

/** When its last process has gone; nothing fails by it. */
function endClient({ directory }: DhcpClient, device: string, keeper: Instruction, descriptor: number): Op {
  const watch = struct([u32(descriptor), u16(POLLIN), u16(0)]);
  const ended = sys("ppoll", [watch, 1, struct([u64(FAREWELL_SECONDS), u64(0)]), 0, 8]);
  const told = {
    call: "kill",
    object: `the DHCP client of ${device}`,
    why: `It gives the address back and ends; after ${FAREWELL_SECONDS} s it is ended.`,
    script: `dhcp_end ${device}`,
  };
  return onHost(told, [
    alt(
      [
        // Without it the hook does not look after an address that goes with the device.
        sys("unlinkat", [AT_FDCWD, `${directory}/${LEASE}`, 0], { ok: ["ENOENT"] }),
        sys("kill", [keeper, SIGKILL]),
        sys("wait4", [keeper, 0, WALL, 0]),
        ended,
        sys("pidfd_send_signal", [descriptor, SIGKILL, 0, 0], { ok: ["ESRCH"] }),
        sys("close", [descriptor]),
      ],
      [],
    ),
  ]);
}
