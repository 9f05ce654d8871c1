/** What is done with a container that stays when its `run` is over: by the results that are in its plan file. */
import { AT_EMPTY_PATH, AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_WRONLY, STATX_BASIC_STATS } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNewNamespace } from "../spec/config.ts";
import { type CreateInput, type Marks, type PidText, stateFacts } from "./created.ts";
import { runHooks, runHooksAnyway, type Status, stateJson } from "./hooks.ts";
import { alt, expect, out, pointer, struct, sys, text, u16, u32, u64, unless } from "./instructions.ts";
import { lockPlan } from "./life.ts";
import { onHost, quote } from "./op.ts";
import { type Data, GIVEN, type Instruction, type Op, type Plan } from "./plan.ts";

const ALL = 0xffffffffffffffffn;

export interface Programs {
  readonly later: NonNullable<Plan["later"]>;
  /** Starts a created container and tells when its program runs. @param plan descriptor of its plan file */
  go(plan: Instruction | number): Op[];
  /** Takes away all that is left of one that has ended. */
  gone(): Op[];
}

export function programsOf(input: CreateInput, facts: HostFacts, marks: Marks, pid: PidText): Programs {
  const { config, directory } = input;
  const { hooks = {} } = config;
  const group = freezerFile(facts, config);
  const state = stateFacts(input);
  const lock = lockPlan(input, "wait");
  const otherLock = lockPlan(input, "wait");
  // Made anew for each program: an instruction has one place in a plan.
  const poststart = () => runHooks("poststart", hooks.poststart ?? [], stateJson(state, "running", marks.pid), onHost);
  const gone = () => [
    takeAway(),
    ...runHooksAnyway("poststop", hooks.poststop ?? [], stateJson(state, "stopped", undefined)),
  ];
  // A failure in here is told by the program, which does it again step by step; hooks are not to be run twice.
  const simple = (list: readonly unknown[] = []) => (list.length > 0 ? [onlyWhenSaid()] : []);
  return {
    go: (plan) => [...openGate(directory, plan), ...poststart()],
    gone,
    later: {
      start: [
        ...simple(hooks.poststart),
        lock.op,
        ...(group ? [notFrozen(group)] : []),
        ...openGate(directory, lock.lock),
        ...poststart(),
      ],
      state: [printState(input, marks, pid, group)],
      kill: [...(hasNewNamespace(config, "pid") ? [] : [notAll()]), sendSignal(marks, group)],
      delete: [...simple(hooks.poststop), otherLock.op, hasEnded(marks), ...gone()],
    },
  };
}

/** Only by whoever can tell what comes of it. */
function onlyWhenSaid(): Op {
  const told = { call: "expect", object: "the number 1", why: "Hooks belong to this: their failures have to be told." };
  return onHost(told, [expect(GIVEN, ALL, 1n, "EOPNOTSUPP")]);
}

/** Without a PID namespace of its own SIGKILL has to reach every process: not here. */
function notAll(): Op {
  const told = {
    call: "expect",
    object: "another signal than SIGKILL",
    why: "Its processes do not end with the first one.",
  };
  return onHost(told, [unless(["EINVAL"], [expect(GIVEN, ALL, 9n, "EINVAL"), expect(GIVEN, 0n, 1n, "EBUSY")])]);
}

function openGate(directory: string, plan: Instruction | number): Op[] {
  const path = `${directory}/start`;
  const gate = sys("openat", [AT_FDCWD, path, O_WRONLY | O_NONBLOCK | O_CLOEXEC]);
  // The other end is closed by execve, or by the end of the process (poll(2), POLLERR).
  const closed = struct([u32(gate), u16(0), u16(0)]);
  const one = text("1");
  const claimed = {
    call: "unlinkat",
    object: path,
    why: "Whoever takes the FIFO away starts the container; nobody else can.",
    sh: `echo 1 > ${quote(path)}`,
  };
  const ran = {
    call: "ppoll",
    object: "the program",
    why: "When it runs, the process has closed its end of the FIFO.",
  };
  return [
    onHost(claimed, [gate, sys("unlinkat", [AT_FDCWD, path, 0]), sys("write", [gate, one, 1])]),
    onHost(ran, [sys("ppoll", [closed, 1, 0, 0, 8]), sys("close", [gate]), ...noFailure(plan)]),
  ];
}

/** Fails with ECHILD if the report of a plan tells of a failed op: see struct header and struct report in stage/wire.h. */
export function noFailure(plan: Instruction | number): Instruction[] {
  const head = out(8);
  const report = out(16);
  const at = expect({ load: head, at: 0, width: 4 }, 0n, 0n, "EIO");
  return [
    sys("pread64", [plan, head, 4, 24]),
    at,
    sys("pread64", [plan, report, 16, at]),
    expect({ load: report, at: 8, width: 4 }, 0xffffffffn, 0n, "ECHILD"),
  ];
}

/** Succeeds if the process that was created lives; a zombie does not. Else ESRCH, ESTALE or ECHILD. */
function lives({ pid, inode }: Marks): { does: Instruction[]; pidfd: Instruction } {
  const pidfd = sys("pidfd_open", [pid, 0]);
  const described = out(256);
  const watch = struct([u32(pidfd), u16(1), u16(0)]); // struct pollfd, POLLIN
  const ended = sys("ppoll", [watch, 1, struct([u64(0), u64(0)]), 0, 8]);
  const does = [
    pidfd,
    sys("statx", [pidfd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, described]),
    expect({ load: described, at: 32, width: 8 }, ALL, inode, "ESTALE"),
    ended,
    expect(ended, 0xffffffffn, 0n, "ECHILD"),
  ];
  return { does, pidfd };
}

function hasEnded(marks: Marks): Op {
  const { does, pidfd } = lives(marks);
  const told = {
    call: "pidfd_open",
    object: "the container's process",
    why: "A container is deleted when its process has ended, not before.",
  };
  return onHost(told, [unless(["ESRCH", "ESTALE", "ECHILD"], [...does, expect(pidfd, 0n, 1n, "EBUSY")])]);
}

function takeAway(): Op {
  const undo: Instruction = { do: "undo" };
  const told = {
    call: "unlinkat",
    object: "what the container left",
    why: "Every op that left something has an undo; they run now, newest first.",
    sh: "rm -rf $WORK",
  };
  return onHost(told, [undo, expect(undo, 0xffffffffn, 0n, "EBUSY")]);
}

/** The file whose first byte tells a frozen group: "F" of v1's FROZEN or FREEZING, "1" on v2. */
function freezerFile({ cgroups }: HostFacts, { linux }: Config): { file: string; frozen: string } | undefined {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("freezer"));
  if (v1) return { file: `${v1.mount}${linux.cgroupsPath}/freezer.state`, frozen: "F" };
  return cgroups.v2 && { file: `${cgroups.v2.mount}${linux.cgroupsPath}/cgroup.freeze`, frozen: "1" };
}

type Freezer = ReturnType<typeof freezerFile>;

/** Fails with EAGAIN if the group is not frozen. */
function isFrozen(group: NonNullable<Freezer>): Instruction[] {
  const word = out(16);
  const file = sys("openat", [AT_FDCWD, group.file, O_CLOEXEC]);
  const first = BigInt(group.frozen.charCodeAt(0));
  return [
    file,
    sys("read", [file, word, word.size]),
    sys("close", [file]),
    expect({ load: word, at: 0, width: 1 }, 0xffn, first, "EAGAIN"),
  ];
}

/** A container that is paused before it was started would not start, and whoever starts it wait for ever. */
function notFrozen(group: NonNullable<Freezer>): Op {
  const told = { call: "read", object: group.file, why: "A paused container is resumed first." };
  const frozen = isFrozen(group);
  return onHost(told, [unless(["EAGAIN", "ENOENT"], [...frozen, expect(GIVEN, 0n, 1n, "EBUSY")])]);
}

function sendSignal(marks: Marks, group: Freezer): Op {
  const { does, pidfd } = lives(marks);
  // A frozen v1 group has to be thawed before anything in it can die: not here.
  const moves = group ? [unless(["EAGAIN", "ENOENT"], [...isFrozen(group), expect(pidfd, 0n, 1n, "EBUSY")])] : [];
  const told = {
    call: "pidfd_send_signal",
    object: "the container's process",
    why: "By its pidfd: no stranger that got the same pid is hit.",
    sh: "kill -$SIGNAL $PID",
  };
  return onHost(told, [...does, ...moves, sys("pidfd_send_signal", [pidfd, GIVEN, 0, 0])]);
}

export interface StateLines {
  readonly before: string;
  readonly after: string;
}

/** The state as runc prints it: the pid stands between the two. */
export function stateLines(input: CreateInput, status: Status): StateLines {
  const { config, id, bundle, created, owner } = input;
  const annotations = config.annotations ?? {};
  const field = (name: string, value: unknown) =>
    `  ${JSON.stringify(name)}: ${JSON.stringify(value, null, 2).replaceAll("\n", "\n  ")}`;
  const before = [field("ociVersion", config.ociVersion), field("id", id)];
  const after = [
    field("status", status),
    field("bundle", bundle.directory),
    field("rootfs", config.root.path),
    field("created", created),
    ...(Object.keys(annotations).length > 0 ? [field("annotations", annotations)] : []),
    field("owner", owner),
  ];
  return { before: `{\n${before.join(",\n")},\n  "pid": `, after: `,\n${after.join(",\n")}\n}\n` };
}

function printState(input: CreateInput, marks: Marks, pid: PidText, group: Freezer): Op {
  const print = (status: Status): Instruction[] => {
    const { before, after } = stateLines(input, status);
    return [writeAll(status === "stopped" ? [text(`${before}0${after}`)] : [text(before), pid, text(after)])];
  };
  const waits = [sys("faccessat", [AT_FDCWD, `${input.directory}/start`, 0]), ...print("created")];
  const goes = alt(waits, print("running"), ["ENOENT"]);
  const alive = group ? alt([...isFrozen(group), ...print("paused")], [goes], ["EAGAIN", "ENOENT"]) : goes;
  const told = {
    call: "writev",
    object: "the state",
    why: "Whether its process lives, waits to be started, or is frozen: the kernel is asked, nothing is remembered.",
  };
  return onHost(told, [alt([...lives(marks).does, alive], print("stopped"), ["ESRCH", "ESTALE", "ECHILD"])]);
}

function writeAll(parts: readonly (Data | PidText)[]): Instruction {
  const vector = struct(
    parts.flatMap((part) =>
      "digits" in part ? [pointer(part.digits), u64(part.length)] : [pointer(part), u64(part.bytes.length)],
    ),
  );
  return sys("writev", [1, vector, parts.length]);
}
