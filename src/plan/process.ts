/** The last steps before the container's program: who it is, what it may do, and execve. */
import { VitrineError } from "../errors.ts";
import type { Arch } from "../linux/arch.ts";
import { capabilityBit, capabilityName, capabilityWords } from "../linux/capabilities.ts";
import {
  AT_FDCWD,
  CLONE_VFORK,
  CLOSE_RANGE_CLOEXEC,
  CLOSE_RANGE_UNSHARE,
  KEYCTL_JOIN_SESSION_KEYRING,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  SIG_SETMASK,
  SIGCHLD,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Config, Linux, Process } from "../spec/config.ts";
import { alt, bytes, expect, strings, struct, sys, u32, u64, unless } from "./instructions.ts";
import { labelProgram } from "./labels.ts";
import { lowerSoftFiles, setRlimits } from "./limits.ts";
import { listens } from "./listener.ts";
import { setMemoryPolicy } from "./memorypolicy.ts";
import { dieWithParent } from "./namespaces.ts";
import { inside, quote } from "./op.ts";
import { openInRoot, openOrMakeDirectory } from "./paths.ts";
import type { Clone, Instruction, Op } from "./plan.ts";
import { installSeccomp, type KeptFilter } from "./seccomp.ts";
import { controlTerminal, standardStreams, type Terminal } from "./terminal.ts";

export interface ProcessOps {
  readonly ops: readonly Op[];
  /** From here on the process has descriptors of its own. */
  readonly detached: Instruction;
  /** Its result is the descriptor of the filter's listener, if there is one; the stage shares it. */
  readonly listener: Instruction | undefined;
}

/** What a way of running asks of the process besides. */
export interface ProcessManner {
  /** The program inherits so many descriptors from 3 on. */
  readonly preserved?: number;
  /** Stays in the keyring of its caller. */
  readonly sharedKeyring?: boolean;
  /** A working directory that is not there is an error. */
  readonly existingDirectory?: boolean;
  /** Standard input, output and error, where they are not the caller's and no terminal. */
  readonly streams?: readonly (Instruction | undefined)[] | undefined;
  /** These stand for standard input, output and error, as many as there are: nobody speaks with it there. */
  readonly silent?: readonly Instruction[] | undefined;
  /** When its descriptors are its own, and all but these are to go. */
  readonly kept?: readonly Instruction[];
  /** When nothing is left to be done but to start the program. */
  readonly ready?: readonly Op[];
}

export interface ProcessInput {
  readonly config: Config;
  readonly facts: HostFacts;
  readonly root: Instruction;
  /** The stage's pidfd. */
  readonly stage: Instruction;
  /** The stage's private procfs. */
  readonly procfs: Instruction;
  readonly terminal: Terminal | undefined;
  /** A first process that reaps stands before the program. */
  readonly init: boolean;
  readonly seccomp: KeptFilter | undefined;
  /** See ContainerInput. */
  readonly softFiles: number | undefined;
  readonly manner?: ProcessManner | undefined;
}

export function planProcess(input: ProcessInput): ProcessOps {
  const { config, facts, root, stage, terminal, init, seccomp, manner = {} } = input;
  const { process } = config;
  const separate = ownDescriptors(manner.preserved ?? 0);
  const filter = seccomp
    ? [installSeccomp({ program: Buffer.from(seccomp.program, "base64"), flags: seccomp.flags })]
    : [];
  const listener = listens(config.linux.seccomp) ? filter[0]?.does[0] : undefined;
  const ops: Op[] = [
    session(terminal, manner.sharedKeyring === true),
    ...labelProgram(process, input.procfs),
    ...(config.linux.personality ? [executionDomain(config.linux.personality)] : []),
    ...(config.linux.memoryPolicy ? [setMemoryPolicy(config.linux.memoryPolicy)] : []),
    ...boundingSet(process, facts),
    workingDirectory(process, root, facts.arch, manner.existingDirectory === true),
  ];
  // Without no_new_privs only CAP_SYS_ADMIN may install a filter: then it comes before the capabilities go (seccomp(2)).
  const early = !process.noNewPrivileges;
  if (early && init && seccomp)
    throw new VitrineError("UNSUPPORTED", "--init: goes with a seccomp filter only if there are no new privileges", {
      hint: "leave out no-new-privileges=false, or add --security-opt seccomp=unconfined",
    });
  if (early) ops.push(...filter);
  ops.push(becomeUser(process), capabilities(process));
  if (process.noNewPrivileges) ops.push(noNewPrivileges());
  ops.push(dieWithParent(stage));
  // The stage hands the listener on, so it has to come while descriptors are shared.
  if (!early && listener) ops.push(...filter);
  ops.push(separate);
  if (terminal) ops.push(standardStreams(terminal.slave));
  if (manner.streams) ops.push(ownStreams(manner.streams));
  if (manner.silent) ops.push(silentStreams(manner.silent));
  if (manner.kept) ops.push(keepOnly(manner.kept, manner.preserved ?? 0));
  ops.push(...setRlimits(process), ...lowerSoftFiles(input.softFiles, process));
  if (manner.ready) ops.push(findProgram(process), ...manner.ready);
  const last = [...(early || listener ? [] : filter), program(process)];
  ops.push(...(init ? firstProcess(last) : last));
  return { ops, detached: separate.does[0] as Instruction, listener };
}

/** A first process has to reap orphans, and ignores signals that it has no handler for: few programs are made for that. */
function firstProcess(program: readonly Op[]): Op[] {
  // Held until execve: a program that cannot be started is then known.
  const args = struct([CLONE_VFORK, 0, 0, 0, SIGCHLD, 0, 0, 0, 0, 0, 0].map((value) => u64(value)));
  const pid: Clone = { do: "clone", args, body: [{ phase: "Process", ops: program }] };
  const pidfd = sys("pidfd_open", [pid, 0]);
  const kept = sys("dup3", [pidfd, 100, 0]);
  const start = {
    call: "clone3",
    object: "the program's process",
    why: "The first process of the container stays with the stage, which reaps orphans and hands signals on.",
  };
  const reap = {
    call: "waitid",
    object: "whatever ends in here",
    why: "It holds no descriptor and no memory of the run's journal, and ends when the program ends.",
  };
  const does: Instruction[] = [
    sys("prctl", [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0]),
    kept,
    sys("close_range", [0, 99, 0]),
    sys("close_range", [101, 0xffffffff, 0]),
    { do: "serve", pidfd: kept, mode: "reaper" },
  ];
  return [inside(start, [pid, pidfd]), inside(reap, does)];
}

function session(terminal: Terminal | undefined, sharedKeyring: boolean): Op {
  const told = {
    call: "setsid",
    object: "a session and keyring of its own",
    why: terminal
      ? "The terminal is the session's; none of the caller's keys, and no terminal of the caller."
      : "No controlling terminal and no keys of the caller.",
    sh: "setsid",
  };
  // A kernel without keys answers ENOSYS.
  const keyring = sharedKeyring ? [] : [sys("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, 0], { ok: ["ENOSYS"] })];
  return inside(told, [sys("setsid", []), ...(terminal ? [controlTerminal(terminal.slave)] : []), ...keyring]);
}

function boundingSet(process: Process, facts: HostFacts): Op[] {
  const kept = new Set(process.capabilities.bounding.map(capabilityBit));
  const dropped: number[] = [];
  for (let bit = 0; bit <= facts.lastCapability; bit++) if (!kept.has(bit)) dropped.push(bit);
  if (dropped.length === 0) return [];
  const names = dropped.map((bit) => capabilityName(bit).replace(/^CAP_/, "").toLowerCase());
  const told = {
    call: "prctl",
    object: `PR_CAPBSET_DROP of ${dropped.length} capabilities`,
    why: `No program started in here can ever get ${names.join(", ")}.`,
    sh: `setpriv --bounding-set ${names.map((n) => `-${n}`).join()}`,
  };
  return [
    inside(
      told,
      dropped.map((bit) => sys("prctl", [PR_CAPBSET_DROP, bit, 0, 0, 0])),
    ),
  ];
}

function becomeUser({ user }: Process): Op {
  const groups = user.additionalGids ?? [];
  const list = groups.length > 0 ? struct(groups.map(u32)) : 0;
  const told = {
    call: "setresuid",
    object: `uid ${user.uid}, gid ${user.gid}${groups.length > 0 ? `, groups ${groups.join()}` : ""}`,
    why: "The user that the container's program runs as.",
    sh: `umask ${(user.umask ?? 0o022).toString(8).padStart(3, "0")}\nsetpriv --reuid ${user.uid} --regid ${user.gid} ${groups.length > 0 ? `--groups ${groups.join()}` : "--clear-groups"}`,
  };
  return inside(told, [
    sys("umask", [user.umask ?? 0o022]),
    sys("setgroups", [groups.length, list]),
    sys("setresgid", [user.gid, user.gid, user.gid]),
    sys("prctl", [PR_SET_KEEPCAPS, 1, 0, 0, 0]),
    sys("setresuid", [user.uid, user.uid, user.uid]),
    sys("prctl", [PR_SET_KEEPCAPS, 0, 0, 0, 0]),
  ]);
}

function capabilities({ capabilities: c }: Process): Op {
  const [effectiveLow, effectiveHigh] = capabilityWords(c.effective);
  const [permittedLow, permittedHigh] = capabilityWords(c.permitted);
  const [inheritableLow, inheritableHigh] = capabilityWords(c.inheritable);
  const header = struct([u32(0x20080522), u32(0)]); // _LINUX_CAPABILITY_VERSION_3, this process
  const words = [effectiveLow, permittedLow, inheritableLow, effectiveHigh, permittedHigh, inheritableHigh];
  const told = {
    call: "capset",
    object: c.permitted.length > 0 ? c.permitted.map((n) => n.replace(/^CAP_/, "").toLowerCase()).join() : "none",
    why:
      c.inheritable.length + c.ambient.length > 0
        ? "The rights of root that are left to it."
        : "The few rights of root that are left to it; inheritable and ambient ones are empty.",
    sh: "setpriv --inh-caps=-all --ambient-caps=-all",
  };
  return inside(told, [
    sys("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0]),
    sys("capset", [header, struct(words.map(u32))]),
    // Only what is permitted and inheritable can be ambient (capabilities(7)); callers list more, and runc passes over it.
    ...c.ambient
      .filter((name) => c.permitted.includes(name) && c.inheritable.includes(name))
      .map((name) => sys("prctl", [PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capabilityBit(name) ?? -1, 0, 0])),
  ]);
}

/** See personality(2). */
function executionDomain({ domain }: NonNullable<Linux["personality"]>): Op {
  const told = {
    call: "personality",
    object: domain,
    why: "Asked for: what kind of machine uname(2) tells of.",
    sh: domain === "LINUX32" ? "setarch linux32" : "setarch linux64",
  };
  return inside(told, [sys("personality", [domain === "LINUX32" ? 0x8 : 0])]);
}

function noNewPrivileges(): Op {
  const told = {
    call: "prctl",
    object: "PR_SET_NO_NEW_PRIVS",
    why: "A set-user-ID program inside gives nobody more rights.",
    sh: "setpriv --no-new-privs",
  };
  return inside(told, [sys("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0])]);
}

/** Entered by descriptor, resolved inside the root without magic links: it cannot be a directory of the host (CVE-2024-21626). */
function workingDirectory({ cwd }: Process, root: Instruction, arch: Arch, existing: boolean): Op {
  const at = cwd === "/" || existing ? openedDirectory(root, cwd, arch) : openOrMakeDirectory(root, cwd, arch);
  const told = {
    call: "fchdir",
    object: cwd,
    why: existing ? "The working directory." : "The working directory, made where it is missing.",
    sh: `cd $ROOT${quote(cwd)}`,
  };
  return inside(told, [...at.does, sys("fchdir", [at.fd])]);
}

function openedDirectory(root: Instruction, path: string, arch: Arch) {
  const fd = openInRoot(root, path, O_PATH | O_DIRECTORY(arch));
  return { does: [fd], fd };
}

function ownDescriptors(preserved: number): Op {
  const told = {
    call: "close_range",
    object: `${3 + preserved} and above`,
    why: "Descriptors are shared with the stage until here; now they are its own, and all but 0, 1 and 2 close at execve.",
    sh: "for fd in $(ls /proc/self/fd); do close $fd; done",
  };
  return inside(told, [sys("close_range", [3 + preserved, 0xffffffff, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC])]);
}

function ownStreams(streams: readonly (Instruction | undefined)[]): Op {
  const told = {
    call: "dup3",
    object: streams[0] ? "the monitor's pipes as 0, 1 and 2" : "the monitor's pipes as 1 and 2",
    why: streams[0]
      ? "Standard streams are the monitor's: nothing of the caller's stays open in the container."
      : "What is written is the monitor's; standard input is the caller's own.",
  };
  return inside(
    told,
    streams.flatMap((stream, fd) => (stream ? [sys("dup3", [stream, fd, 0])] : [])),
  );
}

function silentStreams(streams: readonly Instruction[]): Op {
  const told = {
    call: "dup3",
    object: `/dev/null as ${streams.map((_, fd) => fd).join(", ")}`,
    why: "Asked for: the caller's standard streams are not handed on.",
  };
  return inside(
    told,
    streams.map((stream, fd) => sys("dup3", [stream, fd, 0])),
  );
}

/** Above every descriptor that a plan comes to, below the lowest limit in use (256). */
export const KEPT_DESCRIPTOR = 200;

/** A process that waits for its start holds nothing of the host but these, at KEPT_DESCRIPTOR and above. */
function keepOnly(kept: readonly Instruction[], preserved: number): Op {
  const told = {
    call: "close_range",
    object: `${3 + preserved} and above, but what it waits by`,
    why: "Until it is started it holds no descriptor of the host's files, mounts or locks.",
  };
  return inside(told, [
    ...kept.map((fd, i) => sys("dup3", [fd, KEPT_DESCRIPTOR + i, O_CLOEXEC])),
    sys("close_range", [3 + preserved, KEPT_DESCRIPTOR - 1, 0]),
    sys("close_range", [KEPT_DESCRIPTOR + kept.length, 0xffffffff, 0]),
  ]);
}

/** Known before anybody waits for it: whether the program is there, and may be executed by this user. */
function findProgram({ args, env }: Process): Op {
  const name = args[0] ?? "";
  const X_OK = 1;
  const tries = candidates(name, env).map((path) => {
    const usable = sys("faccessat", [AT_FDCWD, path, X_OK]);
    const directory = [sys("faccessat", [AT_FDCWD, `${path}/.`, 0]), expect(usable, 0n, 1n, "EACCES")];
    return [usable, unless(["ENOTDIR"], directory)];
  });
  const found = tries.reduceRight<Instruction[]>(
    (others, one) => (others.length > 0 ? [alt(one, others, ["ENOENT", "ENOTDIR", "EACCES"])] : one),
    [],
  );
  const told = {
    call: "faccessat",
    object: oneLine(name),
    why: "A program that is not there is told of now, and not when it is started.",
  };
  return inside(told, found);
}

/** execvp(3): along PATH for a bare name; permission trouble in one directory does not stop the search. */
function program({ args, env }: Process): Op {
  const name = args[0] ?? "";
  const argv = strings(args);
  const envp = strings(env);
  const mask = bytes(new Uint8Array(8));
  const paths = candidates(name, env);
  // Where execve succeeds nothing comes after it; so the tries simply follow each other.
  const tries = paths.map((path, i) =>
    sys("execve", [path, argv, envp], i < paths.length - 1 ? { ok: ["ENOENT", "ENOTDIR", "EACCES"] } : {}),
  );
  const told = {
    call: "execve",
    object: args.map(oneLine).join(" "),
    why: "The program itself. From here on nothing of the engine is inside.",
    sh: `exec env -i ${env.map(quote).join(" ")} ${args.map(quote).join(" ")}`,
  };
  return inside(told, [sys("rt_sigprocmask", [SIG_SETMASK, mask, 0, 8]), ...tries]);
}

/** An argument in a message of one line. */
function oneLine(word: string): string {
  return /\p{Cc}/u.test(word) ? JSON.stringify(word) : quote(word);
}

export function candidates(name: string, env: readonly string[]): string[] {
  if (name.includes("/")) return [name];
  const path =
    env.find((e) => e.startsWith("PATH="))?.slice(5) ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  return path
    .split(":")
    .filter((d) => d !== "")
    .map((directory) => `${directory}/${name}`);
}
