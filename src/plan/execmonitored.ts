/** An exec whose command can leave it (-it, by its keys), or does so at once (-dt): a monitor holds the terminal, as with `run`. */

import { F_DUPFD_CLOEXEC } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { endClient, serveClient } from "./client.ts";
import { tellExecEnd, tellExecStart } from "./events.ts";
import { type ExecInput, execProcess, type Session } from "./execprocess.ts";
import { alt, awaits, bytes, expect, sys } from "./instructions.ts";
import { KEPT_MORE, lockPlan, quietStart, removePlan } from "./life.ts";
import { beginMonitor, cloneMonitor, connectMonitor, endWithCommand, MONITOR_FILES, standAlone } from "./monitor.ts";
import { ownPidfd } from "./namespaces.ts";
import { byCaller, onHost } from "./op.ts";
import { type Instruction, LEFT, type Op, type Section } from "./plan.ts";
import { programRuns } from "./started.ts";
import { dismissGuardian, guardTerminal } from "./terminal.ts";

const ALL = 0xffffffffffffffffn;

/** See FRAME_LEAVE in stage/frame.h. */
const LEAVE = bytes(new Uint8Array([10, 0, 0, 0, 0, 0, 0, 0]));

export function monitoredExec(input: ExecInput, session: Session, facts: HostFacts): Section[] {
  const { place, wait } = input;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: commandOp, pidfd: command } = ownPidfd(byCaller);
  const guard = !session.detached && wait?.terminal ? guardTerminal(command, lock, byCaller) : undefined;
  const pair = session.detached ? undefined : connectMonitor();
  const body: Section[] = []; // filled in below: what the command awaits is in it
  const monitor = cloneMonitor(place.directory, body, lock, pair);
  const made = execProcess(input, facts, lock, pair ? [pair.monitors] : []);
  const runs = programRuns();
  const alone = standAlone(place.directory, true);
  const last = holding(input, made, pair !== undefined, alone);
  body.push(
    { phase: "Claim", ops: [...beginMonitor(command, pair), ...made.claim] },
    { phase: "Limits", ops: made.limits },
    { phase: "Namespaces", ops: made.namespaces },
    {
      phase: "Life and end",
      ops: [endWithCommand(command), ...made.handing, made.kept.op, runs, ...tellExecStart(input), ...last],
    },
  );
  const ready = { call: "futex", object: "the monitor", why: "The program runs, or it is told here why not." };
  const started = pair ? (runs.does.at(-1) as Instruction) : alone.alone;
  const rest: Op[] = [byCaller(ready, [awaits(started, monitor.pidfd)])];
  if (pair && wait) {
    const client = { keys: session.keys, signals: true, streams: wait, terminal: true, once: true };
    const { op, status } = serveClient(client, pair.ours, monitor.pidfd);
    const leave = {
      call: "write",
      object: "to the monitor: it is left alone",
      why: "From here on the process does not end with this command.",
    };
    // The client closes its own when it ends.
    const again = sys("fcntl", [pair.ours, F_DUPFD_CLOEXEC, 3]);
    const keep = {
      call: "fcntl",
      object: "the monitor's socket",
      why: "By this it is told later that it is left alone.",
    };
    const left = [
      expect(status, ALL, BigInt(LEFT), "EAGAIN"),
      sys("write", [again, LEAVE, LEAVE.bytes.length]),
      awaits(alone.alone, monitor.pidfd),
    ];
    rest.push(
      byCaller(keep, [again]),
      op,
      ...(guard ? [dismissGuardian(guard.guardian, byCaller)] : []),
      byCaller(leave, [alt(left, [], ["EAGAIN"])]),
      ...endClient(status, WORDS),
    );
  } else {
    const gone = { call: "exit_group", object: "0", why: "The process goes on without the command." };
    rest.push(byCaller(gone, [sys("exit_group", [0])]));
  }
  return [
    {
      phase: "Claim",
      ops: [
        { ...lockOp, where: "caller" },
        { ...quietStart(), where: "caller" },
        commandOp,
        ...(guard ? [guard.op] : []),
        ...(pair ? [pair.op] : []),
        monitor.op,
      ],
    },
    { phase: "Life and end", ops: rest },
  ];
}

/** What the monitor does when the program runs. */
function holding(
  input: ExecInput,
  { kept, own }: ReturnType<typeof execProcess>,
  connected: boolean,
  alone: ReturnType<typeof standAlone>,
): Op[] {
  const serve = (connection: boolean): Instruction => ({
    do: "serve",
    mode: "monitor",
    pidfd: kept.pidfd,
    master: kept.master,
    timeoutMs: 0,
    ...(connection ? { connection: KEPT_MORE + 1 } : {}),
  });
  const { place } = input;
  const finish = (status: Instruction): Instruction[] => [
    ...tellExecEnd(input, status).flatMap((op) => op.does),
    ...(own ? own.leave().does : []),
    ...removePlan(place, MONITOR_FILES),
    sys("exit_group", [status]),
  ];
  const unattended = serve(false);
  const hold = {
    call: "waitid",
    object: "the process, without a command",
    why: "What it writes is read and thrown away, so that it never waits for a reader.",
  };
  if (!connected) return [alone.op, onHost(hold, [unattended]), onHost(ENDING, finish(unattended))];
  const attended = serve(true);
  const told = {
    call: "waitid",
    object: "the process",
    why: "Keys and signals of the command go to it, and what it writes to the command, until it is left alone.",
  };
  const left = [expect(attended, ALL, BigInt(LEFT), "EAGAIN"), ...alone.op.does, unattended, ...finish(unattended)];
  return [onHost(told, [attended]), onHost(hold, [alt(left, [], ["EAGAIN"])]), onHost(ENDING, finish(attended))];
}

const WORDS = {
  left: "\nvitrine: left alone; the process goes on\n",
  lost: "\nvitrine: the monitor of this process was killed, and the process with it\n",
};

const ENDING = {
  call: "exit_group",
  object: "the status",
  why: "What the process has left running goes on in the container's own group; of the command nothing is left.",
};
