/** What is done with a container that stays when its `run` is over: by the results that are in its plan file. */
import { statsParts } from "../cgroup/statsparts.ts";
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_WRONLY, SIGKILL } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNewNamespace } from "../spec/config.ts";
import { groupDirectories } from "./cgroup.ts";
import { changeLimit } from "./changing.ts";
import { type CreateInput, type Marks, type PidText, stateFacts } from "./created.ts";
import { hold, letGoOn } from "./holding.ts";
import { runHooks, runHooksAnyway, type Status, stateJson } from "./hooks.ts";
import { alt, expect, out, pointer, struct, sys, text, u16, u32, u64, unless } from "./instructions.ts";
import { lockPlan } from "./life.ts";
import { type Freezer, freezerFile, isFrozen, lives } from "./liveness.ts";
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
      delete: [...simple(hooks.poststop), otherLock.op, hasEnded(marks, config, group), ...gone()],
      pause: [hold(marks, group, facts, config)],
      unpause: [letGoOn(marks, group, facts, config)],
      ps: [printProcesses(facts, config)],
      list: [printEntry(input, marks, pid, group)],
      groups: [printGroups(marks, facts, config)],
      update: [changeLimit(input, facts, marks)],
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

/** Given to `delete` by the front: one that lives is ended first. */
const FORCED = 2n;
const END_WAIT_S = 2;

function hasEnded(marks: Marks, config: Config, group: Freezer): Op {
  const { does, pidfd } = lives(marks);
  const watch = struct([u32(pidfd), u16(1), u16(0)]);
  const ended = sys("ppoll", [watch, 1, struct([u64(END_WAIT_S), u64(0)]), 0, 8]);
  // As for `kill`: what does not die with its first process, or is frozen, is not for here.
  const asked = hasNewNamespace(config, "pid") ? expect(GIVEN, ALL, FORCED, "EBUSY") : expect(GIVEN, 0n, 1n, "EBUSY");
  const end = [
    asked,
    ...notHeld(group, pidfd),
    sys("pidfd_send_signal", [pidfd, SIGKILL, 0, 0], { ok: ["ESRCH"] }),
    ended,
    expect(ended, 0xffffffffn, 1n, "EBUSY"),
  ];
  const told = {
    call: "pidfd_open",
    object: "the container's process",
    why: "A container is deleted when its process has ended, not before; by force it is ended.",
  };
  return onHost(told, [unless(["ESRCH", "ESTALE", "ECHILD"], [...does, ...end])]);
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

/** A container that is paused before it was started would not start, and whoever starts it wait for ever. */
function notFrozen(group: NonNullable<Freezer>): Op {
  const told = { call: "read", object: group.file, why: "A paused container is resumed first." };
  const frozen = isFrozen(group);
  return onHost(told, [unless(["EAGAIN", "ENOENT"], [...frozen, expect(GIVEN, 0n, 1n, "EBUSY")])]);
}

function sendSignal(marks: Marks, group: Freezer): Op {
  const { does, pidfd } = lives(marks);
  const told = {
    call: "pidfd_send_signal",
    object: "the container's process",
    why: "By its pidfd: no stranger that got the same pid is hit.",
    sh: "kill -$SIGNAL $PID",
  };
  return onHost(told, [...does, ...notHeld(group, pidfd), sys("pidfd_send_signal", [pidfd, GIVEN, 0, 0])]);
}

/** A frozen v1 group has to be thawed before anything in it can die: EBUSY. */
function notHeld(group: Freezer, pidfd: Instruction): Instruction[] {
  return group ? [unless(["EAGAIN", "ENOENT"], [...isFrozen(group), expect(pidfd, 0n, 1n, "EBUSY")])] : [];
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
  const told = {
    call: "writev",
    object: "the state",
    why: "Whether its process lives, waits to be started, or is frozen: the kernel is asked, nothing is remembered.",
  };
  const print = (status: Status): Instruction[] => {
    const { before, after } = stateLines(input, status);
    return [writeAll(withPidText([before, after], status === "stopped" ? undefined : pid))];
  };
  return onHost(told, byStatus(input, marks, group, print));
}

/** Two lines for `list`: the columns of its table, and an object of its JSON. */
function printEntry(input: CreateInput, marks: Marks, pid: PidText, group: Freezer): Op {
  const told = { call: "writev", object: "the entry", why: "One line of the table, and the same as JSON." };
  const print = (status: Status): Instruction[] => {
    const { columns, json } = entryLines(input, status);
    const parts = [columns.before, `${columns.after}${json.before}`, json.after];
    return [writeAll(withPidText(parts, status === "stopped" ? undefined : pid))];
  };
  const plain = !/[\t\n]/.test(`${input.bundle.directory}${input.owner}`);
  return onHost(told, plain ? byStatus(input, marks, group, print) : [expect(GIVEN, 0n, 1n, "EINVAL")]);
}

/** What `list` shows: the pid stands between "before" and "after". */
function entryLines(input: CreateInput, status: Status) {
  const { config, id, bundle, created, owner } = input;
  const first = { ociVersion: config.ociVersion, id };
  const others = {
    status,
    bundle: bundle.directory,
    rootfs: config.root.path,
    created,
    ...(config.annotations ? { annotations: config.annotations } : {}),
    owner,
  };
  return {
    columns: { before: `${id}\t`, after: `\t${status}\t${bundle.directory}\t${created}\t${owner}\n` },
    json: { before: `${JSON.stringify(first).slice(0, -1)},"pid":`, after: `,${JSON.stringify(others).slice(1)}\n` },
  };
}

function withPidText(parts: readonly string[], pid: PidText | undefined): (Data | PidText)[] {
  return pid ? parts.flatMap((part, i) => (i > 0 ? [pid, text(part)] : [text(part)])) : [text(parts.join("0"))];
}

/** One of four, as the kernel has it. */
function byStatus(
  input: CreateInput,
  marks: Marks,
  group: Freezer,
  print: (status: Status) => Instruction[],
): Instruction[] {
  const waits = [sys("faccessat", [AT_FDCWD, `${input.directory}/start`, 0]), ...print("created")];
  const goes = alt(waits, print("running"), ["ENOENT"]);
  const alive = group ? alt([...isFrozen(group), ...print("paused")], [goes], ["EAGAIN", "ENOENT"]) : goes;
  return [alt([...lives(marks).does, alive], print("stopped"), ["ESRCH", "ESTALE", "ECHILD"])];
}

/** As many as have room: more are for who can read them in parts. */
const PIDS_BYTES = 8192n;

function printProcesses(facts: HostFacts, config: Config): Op {
  const [first] = groupDirectories(facts, config.linux.cgroupsPath);
  const told = { call: "read", object: "cgroup.procs", why: "Pids, a line each; none if the group has gone." };
  if (!first) return onHost(told, [expect(GIVEN, 0n, 1n, "EOPNOTSUPP")]);
  const pids = out(Number(PIDS_BYTES));
  const file = sys("openat", [AT_FDCWD, `${first.directory}/cgroup.procs`, O_CLOEXEC]);
  const size = sys("read", [file, pids, pids.size]);
  const does = [file, size, expect(size, PIDS_BYTES, 0n, "EFBIG"), sys("write", [1, pids, size])];
  return onHost(told, [unless(["ENOENT", "ENODEV"], does)]);
}

/** Lines for `events --stats`: which figures are to be read in which groups. */
function printGroups(marks: Marks, facts: HostFacts, { linux }: Config): Op {
  const told = { call: "writev", object: "the control groups", why: "Their figures are read by whoever asks." };
  const parts = statsParts(facts, linux.cgroupsPath);
  const lines = parts.map(({ name, directories }) => `${name}\t${directories.join("\t")}\n`).join("");
  const plain = !/[\t\n]/.test(linux.cgroupsPath) && !parts.some(({ directories }) => directories.includes(undefined));
  return onHost(told, plain ? [...lives(marks).does, writeAll([text(lines)])] : [expect(GIVEN, 0n, 1n, "EOPNOTSUPP")]);
}

function writeAll(parts: readonly (Data | PidText)[]): Instruction {
  const vector = struct(
    parts.flatMap((part) =>
      "digits" in part ? [pointer(part.digits), u64(part.length)] : [pointer(part), u64(part.bytes.length)],
    ),
  );
  return sys("writev", [1, vector, parts.length]);
}
