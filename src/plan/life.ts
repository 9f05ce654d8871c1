/** The stage around the container: the lock at the start, waiting, and taking everything away at the end. */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  F_ADD_SEALS,
  F_GETFD,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  O_CLOEXEC,
  O_CREAT,
  O_EXCL,
  O_RDWR,
  O_WRONLY,
  PR_SET_PDEATHSIG,
  SIG_SETMASK,
  SIGKILL,
} from "../linux/constants.ts";
import { alt, awaits, bytes, expect, strings, struct, sys, u32, u64 } from "./instructions.ts";
import type { Child } from "./namespaces.ts";
import { onHost } from "./op.ts";
import type { Data, Instruction, Op } from "./plan.ts";
import type { Terminal } from "./terminal.ts";

/** Where a run keeps its plan, and which program tells the user about its end. */
export interface RunPlace {
  /** Directory of this run; holds "plan", and nothing else. */
  readonly directory: string;
  /** The vitrine executable. */
  readonly program: string;
  /** Arguments before the directory, for its internal commands "ended" and "failed". */
  readonly arguments: readonly string[];
  /** Environment of that program: "NAME=value". */
  readonly env: readonly string[];
}

/** struct flock, for the whole file: F_RDLCK, F_WRLCK, F_UNLCK. */
export function lockOf(kind: "read" | "write" | "none"): Data {
  const type = ["read", "write", "none"].indexOf(kind);
  return struct([{ width: 2, value: type }, { width: 2, value: 0 }, u32(0), u64(0), u64(0), u64(0)]);
}

/** The plan file is locked as long as the stage lives: nobody else cleans up meanwhile. See fcntl(2), F_OFD_SETLK. */
export function lockPlan(
  place: Pick<RunPlace, "directory">,
  patience: "none" | "some" | "wait" = "none",
): { op: Op; lock: Instruction } {
  const lock = sys("openat", [AT_FDCWD, `${place.directory}/plan`, O_RDWR | O_CLOEXEC]);
  const writeLock = lockOf("write");
  const told = {
    call: "fcntl",
    object: `lock of ${place.directory}/plan`,
    why: "As long as this lock is held, the run is alive and nobody else may clean up after it.",
  };
  const command = patience === "wait" ? F_OFD_SETLKW : F_OFD_SETLK;
  return { op: onHost(told, [lock, sys("fcntl", [lock, command, writeLock], { retry: patience === "some" })]), lock };
}

/** Until nobody has the plan of a run locked: it has ended, or whoever held it was killed. */
export function awaitEnd({ directory }: Pick<RunPlace, "directory">): Op {
  const file = sys("openat", [AT_FDCWD, `${directory}/plan`, O_CLOEXEC], { ok: ["ENOENT"] });
  const told = {
    call: "fcntl",
    object: `lock of ${directory}/plan`,
    why: "Whoever holds the container has it; the kernel tells when that process lets it go, or is gone.",
  };
  // Whoever waits for this process may be killed.
  const die = sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  return onHost(told, [die, file, sys("fcntl", [file, F_OFD_SETLKW, lockOf("read")], { ok: ["EBADF"] })]);
}

export function quietStart(): Op {
  const all = bytes(new Uint8Array(8).fill(0xff));
  const told = {
    call: "rt_sigprocmask",
    object: "all signals blocked",
    why: "Signals that arrive meanwhile wait, and are then handed to the container.",
  };
  return onHost(told, [sys("rt_sigprocmask", [SIG_SETMASK, all, 0, 8]), sys("umask", [0])]);
}

/** Keeps the lock and the child's pidfd, gives up the rest: mounts and namespaces then belong to the container alone. */
export interface Kept {
  readonly op: Op;
  readonly pidfd: Instruction;
  /** The stage's end of the container's terminal. */
  readonly master: Instruction | undefined;
}

/** Above every descriptor that a plan comes to, below the lowest limit in use (256). */
const KEPT = 240;

/** The descriptors that the lock and the child's pidfd have when the rest was let go. */
export const KEPT_LOCK = KEPT;
export const KEPT_PIDFD = KEPT + 1;
/** And the first of those that are kept besides. */
export const KEPT_MORE = KEPT + 4;

/** @param more are kept as KEPT_MORE and above */
export function letGo(
  lock: Instruction,
  child: Child,
  detached: Instruction,
  terminal: Terminal | undefined,
  more: readonly Instruction[] = [],
): Kept {
  const pidfd = sys("dup3", [child.pidfd, KEPT_PIDFD, O_CLOEXEC]);
  const master = terminal && sys("dup3", [terminal.master, KEPT + 2, O_CLOEXEC]);
  // Held, so that the terminal is not hung up when the program closes its own ends for a while.
  const slave = terminal && sys("dup3", [terminal.slave, KEPT + 3, O_CLOEXEC]);
  const told = {
    call: "close_range",
    object: terminal ? "all but the lock, the pidfd and the terminal" : "all but the lock and the pidfd",
    why: "The stage holds nothing of the container while it runs: when its last process goes, the kernel takes the rest.",
  };
  const does = [
    awaits(detached, child.pidfd),
    sys("dup3", [lock, KEPT, O_CLOEXEC]),
    pidfd,
    ...(master && slave ? [master, slave] : []),
    ...more.map((fd, i) => sys("dup3", [fd, KEPT_MORE + i, O_CLOEXEC])),
    sys("close_range", [3, KEPT - 1, 0]),
    sys("close_range", [more.length > 0 ? KEPT_MORE + more.length : KEPT + (terminal ? 4 : 2), 0xffffffff, 0]),
  ];
  return { op: onHost(told, does), pidfd, master };
}

/** @param input standard input goes to the container's terminal, if it has one */
/** @param ends a signal that ends it, instead of being handed on; 0: none */
export function serve(
  { pidfd, master }: Kept,
  input: boolean,
  timeoutMs: number,
  ends = 0,
): { op: Op; status: Instruction } {
  const mode = master ? (input ? "terminal" : "output") : "signals";
  const status: Instruction = { do: "serve", pidfd, mode, master, timeoutMs, ends };
  const told = {
    call: "waitid",
    object: "the container",
    why: master
      ? "Keys, output, window size and signals are handed on; its exit status becomes ours."
      : "Signals go to the container's first process; its exit status becomes ours.",
    sh: `wait $PID ${timeoutMs > 0 ? `${timeoutMs / 1000} ` : ""}|| STATUS=$?`,
  };
  return { op: onHost(told, [status]), status };
}

export interface Ending {
  /** Tell of the end by the program even if nothing is wrong. */
  readonly tell: boolean;
  /** But not if this file is there: the container is being removed, and nobody asks how it ended. */
  readonly unless?: string;
  /** Descriptors that are let go before the run is seen to be over: locks of what others take away then. */
  readonly locks?: readonly number[];
}

/**
 * Undo, and exit with the container's status; a violent end is first told by the program, which then undoes.
 * @param files others than the plan in the run's directory
 */
export function end(place: RunPlace, status: Instruction, ending: Ending, files: readonly string[] = []): Op[] {
  const program = become(place, "ended");
  const tell = ending.unless === undefined ? program : [alt([sys("faccessat", [AT_FDCWD, ending.unless, 0])], program)];
  const violent = {
    call: "execve",
    object: `vitrine ended, if the status is 128 or more`,
    why: "A process that was killed may have met a limit: the program looks into the groups before they go.",
  };
  const undo: Instruction = { do: "undo" };
  const clean = {
    call: "unlinkat",
    object: "what the run left",
    why: "Every op that left something has an undo; they run now, newest first. Then the plan itself goes.",
    sh: "rm -rf $WORK",
    script: "", // at every end, and behind all else
  };
  const last = {
    call: "exit_group",
    object: "the container's status",
    why: "The command ends as the container did.",
    sh: "exit $STATUS",
  };
  const told = ending.tell ? tell : [alt([expect(status, 0x80n, 0n, "ECHILD")], tell)];
  return [
    onHost(violent, told),
    onHost(clean, [
      alt([undo, expect(undo, 0xffffffffn, 0n, "EBUSY")], become(place, "ended")),
      ...(ending.locks ?? []).map((fd) => sys("close", [fd])),
      ...removePlan(place, files),
    ]),
    onHost(last, [sys("exit_group", [status])]),
  ];
}

/**
 * A step that failed after the plan had gone from its place is told from the plan too: the lock is a descriptor of the file, and
 * what was reported is in it.
 */
export function bringBackPlan(place: RunPlace): Op {
  const file = sys("openat", [AT_FDCWD, `${place.directory}/plan`, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600]);
  const told = {
    call: "sendfile",
    object: "the plan, if it has gone",
    why: "The report of what failed is in it; the program that tells of the failure takes it away.",
  };
  return onHost(told, [
    alt(
      [
        sys("fcntl", [KEPT_LOCK, F_GETFD]), // before that it was not taken away
        sys("mkdirat", [AT_FDCWD, place.directory, 0o700], { ok: ["EEXIST"] }),
        file,
        sys("sendfile", [file, KEPT_LOCK, 0, 0x7fffffff]),
      ],
      [],
    ),
  ]);
}

/** Locks are the first that a run opens. */
const BEHIND_LOCKS = 16;

/** Undoing opens files too, and needs none of the run's own: a kill leaves it none either. They may be what it failed for. */
export function letGoToUndo(): Op {
  const told = {
    call: "close_range",
    object: "the descriptors of the run, but its locks",
    why: "Taking back opens files too, and a run may have failed for want of descriptors.",
  };
  return onHost(told, [
    sys("close_range", [BEHIND_LOCKS, KEPT_LOCK - 1, 0]),
    sys("close_range", [KEPT_LOCK + 1, 0xffffffff, 0]),
  ]);
}

/** What the stage does when an op failed: undo, then let the program tell. */
export function afterFailure(place: RunPlace, more: readonly Instruction[] = []): Op[] {
  const undo = { call: "unlinkat", object: "what was done so far", why: "A failed run leaves nothing behind." };
  const tell = { call: "execve", object: "vitrine failed", why: "The program says which step failed, and why." };
  return [
    letGoToUndo(),
    onHost(undo, [{ do: "undo" }, ...more]),
    bringBackPlan(place),
    onHost(tell, become(place, "failed")),
  ];
}

/** What another command does when the stage was killed. Its child may still be dying, and holds the lock until then. */
export function recovery(place: Pick<RunPlace, "directory">, files: readonly string[] = []): Op[] {
  const undo: Instruction = { do: "undo" };
  const told = {
    call: "unlinkat",
    object: "what a killed run left",
    why: "The journal tells what was begun: it is undone.",
  };
  return [
    lockPlan(place, "some").op,
    onHost(told, [undo, expect(undo, 0xffffffffn, 0n, "EBUSY"), ...removePlan(place, files)]),
  ];
}

/** @param files others in the run's directory; they go after the plan, without which nobody asks for them */
export function removePlan({ directory }: Pick<RunPlace, "directory">, files: readonly string[] = []): Instruction[] {
  return [
    ...["plan", ...files].map((name) => sys("unlinkat", [AT_FDCWD, `${directory}/${name}`, 0], { ok: ["ENOENT"] })),
    sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT"] }),
  ];
}

/** The program gets back what was set for the run: signals, and the usual umask. */
export function become(place: RunPlace, command: string): Instruction[] {
  const argv = [place.program, ...place.arguments, command, place.directory];
  return [
    sys("rt_sigprocmask", [SIG_SETMASK, bytes(new Uint8Array(8)), 0, 8]),
    sys("umask", [0o022]),
    sys("execve", [place.program, strings(argv), strings(place.env)]),
  ];
}

/**
 * The stage goes on from a sealed copy of itself. Without a user namespace the container's root could write to the
 * stage's own file through /proc/self/exe (CVE-2019-5736); nobody can write to this one.
 */
export function sealStage(stage: { path: string; size: number }, plan: string, program: number): Op {
  const flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const copy = alt(
    [sys("memfd_create", ["vitrine-stage", flags | MFD_EXEC])],
    [sys("memfd_create", ["vitrine-stage", flags])], // Linux before 6.3
    ["EINVAL"],
  );
  const self = sys("openat", [AT_FDCWD, stage.path, O_CLOEXEC]);
  const copied = sys("sendfile", [copy, self, 0, stage.size]);
  const seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  const told = {
    call: "execveat",
    object: "a sealed copy of the stage",
    why: "With the host's user namespace, root inside could overwrite the stage through /proc/self/exe; not this copy.",
  };
  return onHost(told, [
    copy,
    self,
    copied,
    expect(copied, 0xffffffffn, BigInt(stage.size), "EIO"),
    sys("fcntl", [copy, F_ADD_SEALS, seals]),
    sys("execveat", [copy, "", strings(["vitrine-stage", plan, String(program)]), strings([]), AT_EMPTY_PATH]),
  ]);
}
