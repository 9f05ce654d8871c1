/**
 * The vocabulary of the engine. Everything that is done to the kernel is first a plan: a list of ops, plain data, made
 * by the pure functions in this folder. The stage (a small C program) carries a plan out; src/explain tells it to a
 * person; the same plan is the journal by which a killed run is cleaned up. See ARCHITECTURE.md.
 */
import type { Errno } from "../linux/errno.ts";
import type { Syscall } from "../linux/syscalls.ts";

/** One kernel call, or a few that make no sense apart: what a person reads as one step. */
export interface Op {
  /** The deciding call, in the kernel's spelling: "mount", "pivot_root", "clone3". */
  readonly call: string;
  /** What it is done to, as it stands in errors: `step 14 of 37, mount "overlay on /": EINVAL`. */
  readonly object: string;
  /** Which process of a run carries it out. */
  readonly where: Where;
  /** One sentence for a person. */
  readonly why: string;
  /** The on-board command that does the same, where one exists. */
  readonly sh?: string;
  /** The same in a script that goes on by itself, where it takes more than that command; "": another op's lines see to it. */
  readonly script?: string;
  /** The machine words, in order. */
  readonly does: readonly Instruction[];
  readonly undo?: Undo;
}

/** Takes an op back. Also run by another process, later: it goes by paths, never by descriptors. */
export interface Undo {
  /** Due once this instruction has been started and has not failed; the op's first one if not said. */
  readonly of?: Instruction;
  readonly call: string;
  readonly object: string;
  readonly sh?: string;
  readonly script?: string;
  readonly does: readonly Instruction[];
}

/**
 * "host": the stage, outside. "container": its child, which becomes the container's first process (or criu, which restores that). "joiner": where
 * namespaces are joined, the process that enters them, makes that child, and ends. "guardian": waits to give the
 * caller's terminal its mode back. "mounter": before Linux 6.13, makes the overlay in a mount namespace of its own, and ends.
 * "holder": is in a new user namespace until its maps are written, and ends. "unpacker": writes or reads a tree of files, which is
 * its root, and ends. "checker": beside a container with a health check, waits until
 * it is time for one. "dhcp": becomes the host's DHCP client in the container's network; "keeper": waits for that. "caller": where a monitor holds the container ("host" is then the monitor), the command that was called.
 */
export type Where =
  | "host"
  | "caller"
  | "container"
  | "joiner"
  | "guardian"
  | "mounter"
  | "holder"
  | "unpacker"
  | "checker"
  | "keeper"
  | "dhcp";

export type Phase =
  | "Fetch"
  | "Claim"
  | "Image"
  | "Limits"
  | "Namespaces"
  | "Root file system"
  | "Files inside"
  | "Process"
  | "Life and end";

export interface Section {
  readonly phase: Phase;
  readonly ops: readonly Op[];
}

export interface Plan {
  /** The run itself, in the order in which it is told; a clone op holds the ops of the child. */
  readonly run: readonly Section[];
  /** After a failure, when the children are gone: undo, then tell. */
  readonly failed: readonly Op[];
  /** What another command does for a run that was killed. */
  readonly recover: readonly Op[];
  /** In this op of `run` the stage starts itself anew from a sealed copy; it goes on with the op behind it. */
  readonly restart?: Op;
  /** What is done later with a container that stays when `run` is over: each by a stage of its own, with the results of `run`. */
  readonly later?: Readonly<Record<Later, readonly Op[]>>;
}

export type Later = "start" | "state" | "kill" | "delete" | "pause" | "unpause" | "ps" | "list" | "groups" | "update";

// The stage's instruction set. Each of them is argued in docs/decisions/0002-stage-instructions.md.

export type Instruction = Sys | Clone | Alt | Expect | Await | Spawn | Walk | Stream | UndoAll | Serve;

/** A raw system call. Its result can be an argument of later instructions. */
export interface Sys {
  readonly do: "sys";
  readonly call: Syscall;
  readonly args: readonly Arg[];
  /** Errnos that are no failure. */
  readonly ok?: readonly Errno[] | undefined;
  /** Again every millisecond while EBUSY or EAGAIN, for two seconds. */
  readonly retry?: boolean | undefined;
}

/** clone3(2): a child that carries out `body`. */
export interface Clone {
  readonly do: "clone";
  readonly args: Data;
  readonly body: readonly Section[];
}

/** Try `first`; if it fails (by one of `on`, when given), roll it back and do `other`. The result is that of the last instruction done. */
export interface Alt {
  readonly do: "alt";
  readonly first: readonly Instruction[];
  readonly on?: readonly Errno[] | undefined;
  readonly other: readonly Instruction[];
}

/** (value & mask) == is, or the run fails with `errno`. The result is the value. */
export interface Expect {
  readonly do: "expect";
  readonly value:
    | Instruction
    | typeof GIVEN
    | { readonly load: Data | Out; readonly at: number; readonly width: 1 | 2 | 4 | 8 | typeof DIGITS };
  readonly mask: bigint;
  readonly is: bigint | Instruction;
  readonly errno: Errno;
}

/** Of a decimal number: so many digits at most, fewer where another byte follows. */
export const DIGITS = 10;

/** Wait until an instruction of the other process is done; `peer` is that process's pidfd. */
export interface Await {
  readonly do: "await";
  readonly done: Instruction;
  readonly peer: Instruction;
}

/** Run a program. The result is its exit status as a shell gives it; what it writes goes to standard error. */
export interface Spawn {
  readonly do: "spawn";
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly stdin: Data;
  /** 0: no limit. */
  readonly timeoutMs: number;
}

/**
 * Bulk work. "remove": the tree at `path` below `dir` is gone, however deep it is. "kill": the processes that the
 * cgroup.procs file at `path` names are gone. "move": they are in the group whose cgroup.procs file is the descriptor `to`. "copy": what is in the directory `dir` is in the directory `to` too, with its
 * modes and owners; devices and sockets are left out. "list": what is in the directory `dir` goes to the descriptor `to` as
 * records (src/stage/records.ts); answers to them come from `from`, -1: there are none, and no data.
 */
export type Walk =
  | {
      readonly do: "walk";
      readonly mode: "remove" | "kill";
      readonly dir: Arg;
      readonly path: string;
      readonly ok?: readonly Errno[] | undefined;
    }
  | { readonly do: "walk"; readonly mode: "copy"; readonly dir: Arg; readonly to: Arg }
  | { readonly do: "walk"; readonly mode: "move"; readonly dir: Arg; readonly path: string; readonly to: Arg }
  | {
      readonly do: "walk";
      readonly mode: "list";
      readonly dir: Arg;
      readonly to: Arg;
      readonly from: Arg;
      /** Gets the path that it came to. */
      readonly path: Out;
      /** Only what has this name there. */
      readonly name?: string | undefined;
    };

/** Files from the descriptor `from`, as records (src/stage/records.ts), go below the directory `dir`. The result counts the records. */
export interface Stream {
  readonly do: "stream";
  readonly dir: Arg;
  readonly from: Arg;
  /** How the directories of paths are looked up: RESOLVE_* of openat2(2). */
  readonly resolve: number;
  /** Gets the path that it came to, and at the end that of the last record, which tells the caller's own. */
  readonly path: Out;
}

/** Undo what the run did so far, newest first. The result counts what would not go. */
export interface UndoAll {
  readonly do: "undo";
}

/** Hand signals on to a process until it ends. The result is its exit status: 0 to 255, 128+n for signal n. */
export interface Serve {
  readonly do: "serve";
  /** For "client": the monitor's, if it is a child; then its own status counts. */
  readonly pidfd: Instruction | -1;
  /**
   * "signals": the standard streams are the container's own. "output": what comes from the terminal `master` goes to
   * standard output. "terminal": and standard input goes there. "reaper": as a first process, reap whatever ends, and end
   * with that process. "monitor": hold the terminal `master`, or pipes, for whoever connects to `door`, and for the command at the
   * other end of `connection`, and keep a log. "client": hand the standard streams to the monitor at the
   * other end of `master`; the result may also be LEFT, LOST or REFUSED.
   */
  readonly mode: "signals" | "output" | "terminal" | "reaper" | "monitor" | "client";
  readonly master?: Instruction | undefined;
  /** After so long it is killed; 0: never. */
  readonly timeoutMs?: number;
  /** For "signals", "output" and "terminal": this signal kills the container. */
  readonly ends?: number;
  readonly door?: Instruction;
  /** A descriptor. */
  readonly connection?: number;
  readonly held?: Held;
  /** Keys that leave the container alone, and CLIENT flags. */
  readonly keys?: readonly number[];
  readonly flags?: number;
}

/** What a monitor holds besides: struct held in stage/wire.h. */
export interface Held {
  /** Descriptors of pipes; -1: none. */
  readonly input: number;
  readonly output: number;
  readonly error: number;
  /** Where the log lies (a descriptor), and how much of it is kept. */
  readonly log?: { readonly directory: number } & LogLimits;
}

export interface LogLimits {
  /** Bytes of a file. */
  readonly most: number;
  readonly files: number;
}

/** The newest file of a log; older ones have a number behind it, the older the higher. */
export const LOG_FILE = "log";

/** What a client does: enum client_flag in stage/wire.h. */
export const CLIENT = {
  input: 1,
  output: 2,
  signals: 4,
  end: 8,
  window: 16,
  redraw: 32,
  once: 64,
  noOutput: 128,
  noError: 256,
  starter: 512,
} as const;
/** Results of a client's service that are no exit statuses: the keys were typed; the monitor was killed; it has told why not. */
export const LEFT = 256;
export const LOST = 257;
export const REFUSED = 258;

/** Numbers are numbers; a string is its NUL-terminated bytes' address; an instruction is its result; `GIVEN` is on the stage's command line. */
export type Arg = number | bigint | string | Data | Out | Instruction | typeof GIVEN;

/** The number that the stage is called with, for the later programs of a plan: which signal. */
export const GIVEN = { kind: "given" } as const;

/** Bytes in the plan, given to the kernel by address, with places that are filled in just before use. */
export interface Data {
  readonly kind: "data";
  readonly bytes: Uint8Array;
  readonly links: readonly Link[];
}

/** Bytes in the report: what the kernel writes there outlives the run and can be read by TypeScript. */
export interface Out {
  readonly kind: "out";
  readonly size: number;
}

export type Link =
  | { readonly at: number; readonly put: "address"; readonly of: Data | Out | string }
  | { readonly at: number; readonly put: "value"; readonly of: Instruction; readonly width: 4 | 8 }
  | {
      readonly at: number;
      readonly put: "decimal";
      readonly of: Instruction;
      readonly width: number;
      readonly pad: string;
    };

/** Every section's ops in order, those of a child after the op that makes it. */
export function* allOps(sections: readonly Section[]): Generator<Op> {
  for (const section of sections)
    for (const op of section.ops) {
      yield op;
      for (const instruction of op.does) if (instruction.do === "clone") yield* allOps(instruction.body);
    }
}
