/**
 * A container of the OCI command line: created, started, and deleted by one command after the other, of which none stays.
 * Its plan file is its state: `run` makes it, and what is done later goes by what that reported. See runtime.md, "Lifecycle".
 */
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_PATH,
  O_RDWR,
  PR_SET_PDEATHSIG,
  S_IFIFO,
  STATX_BASIC_STATS,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNamespace } from "../spec/config.ts";
import { planContainer } from "./container.ts";
import { type CreateInput, type Marks, stateFacts } from "./created.ts";
import { readPid, sendTerminal, writePidFile } from "./handing.ts";
import { runHooks, stateJson } from "./hooks.ts";
import { awaits, expect, out, sys, unless, withPid } from "./instructions.ts";
import { programsOf } from "./later.ts";
import {
  become,
  bringBackPlan,
  KEPT_LOCK,
  letGo,
  letGoToUndo,
  lockPlan,
  quietStart,
  type RunPlace,
  recovery,
  sealStage,
} from "./life.ts";
import { raiseSoftFiles } from "./limits.ts";
import { listens, sendListener } from "./listener.ts";
import { type Child, ownPidfd, ownProcfs } from "./namespaces.ts";
import { inside, onHost, quote } from "./op.ts";
import type { Instruction, Op, Out, Plan, Section } from "./plan.ts";
import { KEPT_DESCRIPTOR } from "./process.ts";
import { waitForEnd } from "./waited.ts";

/** Number of the stage's program "resume": see stage/wire.h. */
const RESUME = 3;

export function planCreate(input: CreateInput, facts: HostFacts): Plan & { marks: Marks } {
  const { sections, marks, later, committed } = createSections(input, facts);
  const common = { failed: failure(input, committed), recover: recovery(input.place), later, marks };
  if (hasNamespace(input.config, "user")) return { run: sections, ...common };
  const seal = sealStage(input.stage, `${input.place.directory}/plan`, RESUME);
  return { run: [{ phase: "Claim", ops: [seal] }, ...sections], restart: seal, ...common };
}

function createSections(input: CreateInput, facts: HostFacts) {
  const { config, place, bundle } = input;
  const { hooks = {} } = config;
  const { seccomp } = config.linux;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const gate = startGate(input.directory);
  const told = readPid(procfs);
  const root = hooked(config) ? openRootPlace(config) : undefined;
  const mounted = sys("getpid", []);
  const ready = sys("getpid", []);
  const state = stateFacts(input);
  const atRuntime = [...(hooks.prestart ?? []), ...(hooks.createRuntime ?? [])];
  let hostHooks: Op[] = [];

  const made = planContainer(
    input,
    facts,
    { procfs, self },
    {
      first: () => [told.op, ...(root ? [root.op] : [])],
      rootPlace: root?.place,
      beforePivot(child) {
        const creating = stateJson(state, "creating", child.pid);
        hostHooks = [
          ...runHooks("prestart", hooks.prestart ?? [], creating, onHost, { done: mounted, peer: child.pidfd }),
          ...runHooks(
            "createRuntime",
            hooks.createRuntime ?? [],
            creating,
            onHost,
            hooks.prestart?.length ? undefined : { done: mounted, peer: child.pidfd },
          ),
        ];
        const last = hostHooks.at(-1)?.does.at(-1);
        const own = runHooks("createContainer", hooks.createContainer ?? [], creating, inside, {
          done: child.pid,
          peer: self,
        });
        return [...(last && atRuntime.length > 0 ? [waitForHooks(mounted, last, self)] : []), ...own];
      },
      process: (child) => ({
        preserved: input.preserved,
        sharedKeyring: input.sharedKeyring,
        kept: [gate.descriptor],
        ready: [
          waitForStart(ready),
          ...runHooks("startContainer", hooks.startContainer ?? [], stateJson(state, "created", child.pid), inside),
        ],
      }),
    },
  );
  const { child, terminal } = made;
  const known = knowProcess(child, procfs);
  const committed = commit(place, input.directory);
  const marks: Marks = { pid: child.pid, inode: known.inode, stat: known.stat };
  const sections: Section[] = [
    {
      phase: "Claim",
      ops: [
        lockOp,
        quietStart(),
        ...raiseSoftFiles(input.softFiles),
        inBundle(bundle.directory),
        claim(input),
        gate.op,
        procOp,
        selfOp,
      ],
    },
    { phase: "Limits", ops: made.limits },
    { phase: "Namespaces", ops: [...made.namespaces, known.op] },
    { phase: "Root file system", ops: made.outside },
    {
      phase: "Life and end",
      ops: [
        ...hostHooks,
        ...(made.listener && listens(seccomp)
          ? [
              sendListener(seccomp, {
                installed: made.listener,
                process: child,
                state,
                status: "creating",
                containerPid: child.pid,
              }),
            ]
          : []),
        awaitReady(ready, child),
        ...(terminal && input.consoleSocket !== undefined ? [sendTerminal(input.consoleSocket, terminal).op] : []),
        ...(input.pidFile === undefined ? [] : [writePidFile(input.pidFile, told)]),
        committed.op,
      ],
    },
  ];
  const programs = programsOf(input, facts, marks, told);
  if (input.run) {
    const kept = letGo(lock, child, made.detached, terminal);
    const wait = input.run.wait ? waitForEnd(kept, input.run, programs) : [];
    sections.push({ phase: "Life and end", ops: [kept.op, ...programs.go(KEPT_LOCK), ...wait] });
  }
  return { sections, marks, later: programs.later, committed: committed.moved };
}

function hooked({ hooks = {} }: Config): boolean {
  return Boolean(hooks.prestart?.length || hooks.createRuntime?.length || hooks.createContainer?.length);
}

export function inBundle(directory: string): Op {
  const told = {
    call: "chdir",
    object: directory,
    why: "The bundle: hooks start in it.",
    sh: `cd ${quote(directory)}`,
  };
  return onHost(told, [sys("chdir", [directory])]);
}

/** The directory is made by one command only: whoever has made it has the id. */
export function claim({ directory, stage, place }: CreateInput): Op {
  const made = sys("mkdirat", [AT_FDCWD, directory, 0o711]);
  // A kill may fall between the refusal of an id and its record: only a directory that says that it is ours is taken away, or an
  // empty one.
  const maker = `${directory}/maker`;
  const run = place.directory.slice(place.directory.lastIndexOf("/") + 1);
  const owner = out(16); // the beginning of the run's id
  const begins = new DataView(new ArrayBuffer(owner.size));
  new TextEncoder().encodeInto(run, new Uint8Array(begins.buffer));
  const isOurs = [0, 8].map((at) =>
    expect({ load: owner, at, width: 8 }, 0xffffffffffffffffn, begins.getBigUint64(at, true), "ESTALE"),
  );
  const empty = ["ENOENT", "ENOTEMPTY"] as const;
  const told = {
    call: "mkdirat",
    object: `the container ${directory}`,
    why: "Made whole or not at all, and only by one: the id is taken, or it is ours.",
    sh: `mkdir ${quote(directory)}`,
    undo: {
      of: made,
      call: "unlinkat",
      object: directory,
      sh: `rm -rf ${quote(directory)}`,
      does: [
        unless(
          ["ENOENT", "ESTALE"],
          [
            sys("readlinkat", [AT_FDCWD, maker, owner, owner.size]),
            ...isOurs,
            { do: "walk", mode: "remove", dir: AT_FDCWD, path: directory },
          ],
        ),
        sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: empty }),
      ],
    },
  };
  // Later programs of the plan are for the stage that this build of the plan was made for.
  return onHost(told, [
    made,
    sys("symlinkat", [run, AT_FDCWD, maker]),
    sys("symlinkat", [stage.path, AT_FDCWD, `${directory}/stage`]),
  ]);
}

/** A FIFO by which the container's process waits: as long as it is there, the container is created and not started. */
function startGate(directory: string): { op: Op; descriptor: Instruction } {
  const path = `${directory}/start`;
  // Opened for both, so that opening waits for nobody, and it has a reader for as long as the process waits (fifo(7)).
  const descriptor = sys("openat", [AT_FDCWD, path, O_RDWR | O_CLOEXEC]);
  const told = {
    call: "mknodat",
    object: path,
    why: "The process waits at this FIFO for its start; execve closes it, which tells that the program runs.",
    sh: `mkfifo ${quote(path)}`,
  };
  return { op: onHost(told, [sys("mknodat", [AT_FDCWD, path, S_IFIFO | 0o600, 0]), descriptor]), descriptor };
}

/** Where hooks expect the root to be mounted; opened while the process still has the host's rights on the way there. */
function openRootPlace(config: Config): { op: Op; place: Instruction } {
  const place = sys("openat", [AT_FDCWD, config.root.path, O_PATH | O_CLOEXEC]);
  const told = {
    call: "openat",
    object: config.root.path,
    why: "Hooks find the root file system where the bundle has it.",
  };
  return { op: inside(told, [place]), place };
}

function waitForHooks(mounted: Instruction, last: Instruction, self: Instruction): Op {
  const told = {
    call: "futex",
    object: "the hooks outside",
    why: "Everything is mounted and the old root still there: now is their time.",
  };
  return inside(told, [mounted, awaits(last, self)]);
}

/** Nothing of the stage is left then: the process is an orphan, adopted by whoever called for it (or by init). */
function waitForStart(ready: Instruction): Op {
  const told = {
    call: "read",
    object: "the start",
    why: "Everything is done but the program itself; here the container waits to be started.",
  };
  const byte = out(8);
  const got = sys("read", [KEPT_DESCRIPTOR, byte, 1]);
  return inside(told, [
    sys("prctl", [PR_SET_PDEATHSIG, 0, 0, 0, 0]),
    ready,
    got,
    expect(got, 0xffffffffn, 1n, "EPIPE"),
  ]);
}

function awaitReady(ready: Instruction, child: Child): Op {
  const told = { call: "futex", object: "the container's process", why: "It has done all but start its program." };
  return onHost(told, [awaits(ready, child.pidfd)]);
}

/** What it takes to know later whether a pid is still this process. */
export function knowProcess(child: Child, procfs: Instruction): { op: Op; inode: Instruction; stat: Out } {
  const described = out(256); // struct statx: stx_ino at 32 (u64)
  const inode = expect({ load: described, at: 32, width: 8 }, 0n, 0n, "EIO");
  const stat = out(512);
  const file = sys("openat", [procfs, withPid("", child.pid, "/stat"), O_CLOEXEC]);
  const told = {
    call: "statx",
    object: "the process's pidfd",
    why: "Its inode and its start time tell this process from a stranger that gets the same pid later.",
  };
  return {
    op: onHost(told, [
      sys("statx", [child.pidfd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, described]),
      inode,
      file,
      sys("read", [file, stat, stat.size - 1]),
      sys("close", [file]),
    ]),
    inode,
    stat,
  };
}

export function commit(place: RunPlace, directory: string): { op: Op; moved: Instruction } {
  const told = {
    call: "renameat2",
    object: `the plan to ${directory}/plan`,
    why: "From now on the container is created; the plan, with all that was reported, is its state.",
    sh: `mv $WORK/plan ${quote(directory)}/plan`,
  };
  const moved = sys("renameat2", [AT_FDCWD, `${place.directory}/plan`, AT_FDCWD, `${directory}/plan`, 0]);
  const empty = sys("unlinkat", [AT_FDCWD, place.directory, AT_REMOVEDIR], { ok: ["ENOENT"] });
  return { op: onHost(told, [moved, empty]), moved };
}

/** A plan that was moved comes back to its first place, where the program that tells of the failure reads it. */
export function failure({ place, directory }: CreateInput, moved: Instruction): Op[] {
  const back = { call: "renameat2", object: "the plan", why: "The report of what failed is in it." };
  const undo = { call: "unlinkat", object: "what was done so far", why: "A failed run leaves nothing behind." };
  const tell = {
    call: "execve",
    object: "vitrine-runtime failed",
    why: "The program says which step failed, and why.",
  };
  return [
    onHost(back, [
      // Another one's plan may lie there, if this run did not come so far.
      unless(
        ["ECANCELED"],
        [
          expect(moved, 0n, 0n, "EIO"),
          sys("mkdirat", [AT_FDCWD, place.directory, 0o700], { ok: ["EEXIST"] }),
          sys("renameat2", [AT_FDCWD, `${directory}/plan`, AT_FDCWD, `${place.directory}/plan`, 0], { ok: ["ENOENT"] }),
        ],
      ),
    ]),
    letGoToUndo(),
    onHost(undo, [{ do: "undo" }]),
    bringBackPlan(place),
    onHost(tell, become(place, "failed")),
  ];
}
