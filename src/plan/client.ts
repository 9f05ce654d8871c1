/** The command at a monitored container: `run -it` from the beginning, `attach` later. */
import {
  AF_UNIX,
  F_SETFL,
  O_NONBLOCK,
  O_RDWR,
  PR_SET_PDEATHSIG,
  SIGKILL,
  SOCK_STREAM_CLOEXEC,
} from "../linux/constants.ts";
import { alt, bytes, expect, struct, sys, text, u64 } from "./instructions.ts";
import { afterFailure, lockPlan, quietStart, type RunPlace, recovery, removePlan } from "./life.ts";
import { socketAddress } from "./monitor.ts";
import { ownPidfd } from "./namespaces.ts";
import { byCaller } from "./op.ts";
import { CLIENT, type Instruction, LEFT, LOST, type Op, type Plan, REFUSED } from "./plan.ts";
import type { Streams } from "./streams.ts";
import { dismissGuardian, guardTerminal } from "./terminal.ts";

const ALL = 0xffffffffffffffffn;

export interface ClientInput {
  readonly keys: readonly number[];
  /** Signals are handed on. */
  readonly signals: boolean;
  readonly streams: Streams;
  /** The container has a terminal. */
  readonly terminal: boolean;
  /** The end of this client's input is that of the container's; else it stays open for the next one. */
  readonly once: boolean;
  /** Streams of the container that are not shown. */
  readonly unseen?: readonly ("output" | "error")[];
}

/**
 * @param monitor its pidfd, if it is a child of this process
 * @param goesOn that process does not end with the container: what it tells is what counts
 */
export function serveClient(
  { keys, signals, streams, terminal, once, unseen = [] }: ClientInput,
  socket: Instruction,
  monitor: Instruction | undefined,
  goesOn = false,
): { op: Op; status: Instruction } {
  const flags =
    (streams.input ? CLIENT.input : 0) |
    CLIENT.output |
    (signals ? CLIENT.signals : 0) |
    (once ? CLIENT.end : 0) |
    (monitor ? CLIENT.starter : 0) |
    (once && streams.input && !terminal ? CLIENT.once : 0) |
    (unseen.includes("output") ? CLIENT.noOutput : 0) |
    (unseen.includes("error") ? CLIENT.noError : 0) |
    (terminal ? CLIENT.window : 0) |
    (terminal && !monitor ? CLIENT.redraw : 0);
  const status: Instruction = {
    do: "serve",
    mode: "client",
    pidfd: (goesOn ? undefined : monitor) ?? -1,
    master: socket,
    keys,
    flags,
  };
  const told = {
    call: "ppoll",
    object: "the monitor",
    why: "Keys, output, window size and signals are handed on; the container's exit status becomes ours, unless it is left alone.",
  };
  return { op: byCaller(told, [status]), status };
}

/** What the user is told when the container was left, and when its monitor was killed. */
export interface LastWords {
  readonly left: string;
  readonly lost: string;
}

export function wordsOf(shortId: string): LastWords {
  return {
    left: `\nvitrine: left alone; vitrine attach ${shortId} comes back\n`,
    lost: "\nvitrine: the monitor of this container was killed, and the container with it\n",
  };
}

/** @param before what has to be done in any case */
export function endClient(
  status: Instruction,
  { left, lost }: LastWords,
  before: () => readonly Instruction[] = () => [],
): Op[] {
  const told = {
    call: "exit_group",
    object: "the container's status",
    why: "The command ends as the container did, or quietly if the container goes on without it.",
  };
  const otherwise = (result: number, words: string, code: number) => {
    const line = text(words);
    const say = alt(words === "" ? [] : [sys("write", [2, line, line.bytes.length])], []);
    return alt(
      [expect(status, ALL, BigInt(result), "EAGAIN"), ...before(), say, sys("exit_group", [code])],
      [],
      ["EAGAIN"],
    );
  };
  return [
    byCaller(told, [
      otherwise(LEFT, left, 0),
      otherwise(LOST, lost, 137),
      otherwise(REFUSED, "", 125),
      ...before(),
      sys("exit_group", [status]),
    ]),
  ];
}

/** Connects to the monitor of a run. A socket's address is short: it is looked for from within the directory. */
function connect(directory: string): { does: Instruction[]; socket: Instruction } {
  const socket = sys("socket", [AF_UNIX, SOCK_STREAM_CLOEXEC, 0]);
  const address = socketAddress();
  const does = [sys("chdir", [directory]), socket, sys("connect", [socket, address, address.bytes.length])];
  return { does, socket };
}

/** `attach`. @param run directory of the container's run  @param place the command's own */
export function planAttach(input: ClientInput & { readonly shortId: string }, run: string, place: RunPlace): Plan {
  const { op: lockOp, lock } = lockPlan(place);
  const { op: selfOp, pidfd: self } = ownPidfd(byCaller);
  const guard = input.streams.input && input.streams.terminal ? guardTerminal(self, lock, byCaller) : undefined;
  const { does, socket } = connect(run);
  const gone = text(`vitrine: container ${input.shortId} has just ended\n`);
  const told = { call: "connect", object: `${run}/attach`, why: "Here the container's monitor listens." };
  const noMore = alt(does, [sys("write", [2, gone, gone.bytes.length]), ...removePlan(place), sys("exit_group", [1])]);
  const { op, status } = serveClient(input, socket, undefined);
  const calm = guard ? [dismissGuardian(guard.guardian, byCaller)] : [];
  const ops = [
    { ...lockOp, where: "caller" as const },
    { ...quietStart(), where: "caller" as const },
    selfOp,
    ...(guard ? [guard.op] : []),
    byCaller(told, [noMore, sys("fcntl", [socket, F_SETFL, O_RDWR | O_NONBLOCK]), sys("chdir", ["/"])]),
    op,
    ...calm,
    ...endClient(status, wordsOf(input.shortId), () => removePlan(place)),
  ];
  return { run: [{ phase: "Life and end", ops }], failed: afterFailure(place), recover: recovery(place) };
}

/** One frame to the monitor of a run: see stage/frame.h. */
export function planSignal(run: string, signal: number): Op[] {
  const { does, socket } = connect(run);
  const frame = bytes(new Uint8Array([6, 0, 0, 0, 0, 0, 0, 1, signal]));
  const told = {
    call: "write",
    object: `signal ${signal} to ${run}/attach`,
    why: "The monitor has the container's pidfd: no stranger is hit.",
  };
  return [byCaller(told, [...does, sys("write", [socket, frame, frame.bytes.length]), sys("close", [socket])])];
}

/** Waits for the exit status, which is the result of the last op's instruction; LOST if the monitor was killed. */
export function planWait(run: string): { ops: Op[]; status: Instruction } {
  const { does, socket } = connect(run);
  const told = { call: "connect", object: `${run}/attach`, why: "The container's monitor tells its exit status." };
  const end = { call: "ppoll", object: "the monitor", why: "Until the container has ended and all is taken away." };
  const status: Instruction = { do: "serve", mode: "client", pidfd: -1, master: socket, keys: [], flags: 0 };
  // Whoever waits for this process may be killed.
  const die = sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  return { ops: [byCaller(told, [die, ...does]), byCaller(end, [status])], status };
}

/** struct pidfd_info of Linux 6.13: mask at 0, exit_code at 60. */
const INFO_SIZE = 64;
const PIDFD_GET_INFO = 0xc040ff0b;
const PIDFD_INFO_EXIT = 8n;
/** Somebody has to reap it; then the kernel tells how it ended. */
const REAP_SECONDS = 2;

/**
 * Waits for a process that is nobody's child here, and asks the kernel how it ended (Linux 6.15): the result of the last op's instruction is a
 * status as wait(2) gives it. @throws where the kernel does not tell
 */
export function planWaitProcess(pid: number): { ops: Op[]; status: Instruction } {
  const pidfd = sys("pidfd_open", [pid, 0]);
  const watch = (events: number) =>
    struct([
      { width: 4, value: pidfd },
      { width: 2, value: events },
      { width: 2, value: 0 },
    ]);
  const info = struct(Array.from({ length: INFO_SIZE / 8 }, (_, i) => u64(i === 0 ? PIDFD_INFO_EXIT : 0)));
  const told = {
    call: "ppoll",
    object: `process ${pid}`,
    why: "It ends when the container has, and all is taken away.",
  };
  const ask = {
    call: "ioctl",
    object: `how process ${pid} ended`,
    why: "It is not ours to reap; the kernel keeps its status.",
  };
  const status = expect({ load: info, at: 60, width: 4 }, 0n, 0n, "EIO");
  const die = sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  const patience = struct([u64(REAP_SECONDS), u64(0)]);
  return {
    ops: [
      byCaller(told, [die, pidfd, sys("ppoll", [watch(1), 1, 0, 0, 8]), sys("ppoll", [watch(0), 1, patience, 0, 8])]),
      byCaller(ask, [
        sys("ioctl", [pidfd, PIDFD_GET_INFO, info]),
        expect({ load: info, at: 0, width: 8 }, PIDFD_INFO_EXIT, PIDFD_INFO_EXIT, "ENODATA"),
        status,
      ]),
    ],
    status,
  };
}
