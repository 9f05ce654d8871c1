/** The plan of a run in the foreground: from a config and the host's facts to ops, without looking at anything else. */

import type { HostFacts } from "../linux/facts.ts";
import { hasNamespace } from "../spec/config.ts";
import { attended, OWNER_GONE } from "./attended.ts";
import { type CidFile, writeCidFile } from "./cidfile.ts";
import { endClient, serveClient, wordsOf } from "./client.ts";
import { type ContainerInput, planContainer } from "./container.ts";
import { type Told, tellEvents } from "./events.ts";
import { cloneChecker } from "./health.ts";
import { awaits, sys } from "./instructions.ts";
import {
  afterFailure,
  end,
  KEPT_MORE,
  letGo,
  lockPlan,
  quietStart,
  type RunPlace,
  recovery,
  sealStage,
  serve,
} from "./life.ts";
import { raiseSoftFiles } from "./limits.ts";
import {
  beginMonitor,
  cloneMonitor,
  connectMonitor,
  endWithCommand,
  holdingsKept,
  MONITOR_FILES,
  type Monitoring,
  openLog,
  openPipes,
  type Pair,
  printId,
  serveMonitor,
} from "./monitor.ts";
import { enterGroups, leaveGroups, makeBirthplace } from "./monitorgroups.ts";
import { ownPidfd, ownProcfs } from "./namespaces.ts";
import { makePlace, writeFiles } from "./network/etcfiles.ts";
import { byCaller } from "./op.ts";
import { type Owner, tellOwner } from "./owner.ts";
import type { Instruction, Op, Plan, Section } from "./plan.ts";
import { removingFile } from "./removal.ts";
import { letClientsGo, waitForRestart } from "./restarted.ts";
import { claimName, lockContainer, makeScratch, noteStart } from "./rootfs.ts";
import { openPipe, programRuns } from "./started.ts";
import type { Streams } from "./streams.ts";
import { dismissGuardian, guardTerminal } from "./terminal.ts";
import { makeVolumes, shareVolumes } from "./volumes.ts";

export interface RunInput extends ContainerInput {
  readonly place: RunPlace;
  /** The container's own directory; removed at the end unless `keep`. */
  readonly directory: string;
  readonly keep: boolean;
  /** Files in that directory, made anew for each run. */
  readonly files?: readonly { readonly name: string; readonly text: string }[];
  /** Directories of its volumes that have no name; they go with it unless `keep`. */
  readonly anonymousVolumes?: readonly string[];
  /** Directories of those that were made for other containers. */
  readonly sharedVolumes?: readonly string[];
  readonly id: string;
  /** The file that claims its name. */
  readonly nameFile: string;
  /** Of a container that is there already, whose name is its own: what its record becomes when this run has its lock. */
  readonly nextRecord?: string | undefined;
  /** Let the program tell of the end in any case: for a timeline, or to note the status of a container that stays. */
  readonly tell: boolean;
  /** The stage's file, for a sealed copy. */
  readonly stage: { readonly path: string; readonly size: number };
  readonly streams: Streams;
  /** After so long the container is killed; 0: never. */
  readonly timeoutMs: number;
  /** A file that its id is written to. */
  readonly cidfile?: string | undefined;
  /** Its health is looked at: for the first time after so many milliseconds. Only with a monitor. */
  readonly healthIn?: number | undefined;
  /** A restart by its policy: so many milliseconds from now. */
  readonly restartsIn?: number | undefined;
  /** Its monitor goes on as the next run when it has ended: its exit status is then not its own. */
  readonly mayRestart?: boolean | undefined;
  /** Held by a monitor, and not by the command. */
  readonly monitor?: Monitoring | undefined;
  /** Whom its beginning and its end are told; undefined: nobody. */
  readonly told?: Told | undefined;
  /** Pid of the program that starts the stage and waits for it: if that is killed, the container ends with it. */
  readonly attendedBy?: number | undefined;
  /** The same for who started the command, and is told of it: see src/container/owner.ts. Not with a monitor. */
  readonly owner?: Owner | undefined;
}

/** Docker shows so much of an id. */
const SHORT_ID = 12;

/** Number of the stage's program "resume": see stage/wire.h. */
const RESUME = 3;

export function planRun(input: RunInput, facts: HostFacts): Plan {
  const plan = planUnattended(input, facts);
  if (input.owner) return attended(plan, input.owner.pid, OWNER_GONE);
  return input.attendedBy === undefined ? plan : attended(plan, input.attendedBy);
}

function planUnattended(input: RunInput, facts: HostFacts): Plan {
  const cidfile = input.cidfile === undefined ? undefined : writeCidFile(input.cidfile, input.id);
  const sections = input.monitor
    ? monitoredSections(input, input.monitor, facts, cidfile)
    : runSections(input, facts, cidfile);
  const common = {
    failed: afterFailure(input.place, cidfile ? [cidfile.takeBack] : []),
    recover: recovery(input.place, input.monitor ? MONITOR_FILES : []),
  };
  if (hasNamespace(input.config, "user")) return { run: sections, ...common };
  const seal = sealStage(input.stage, `${input.place.directory}/plan`, RESUME);
  return { run: [{ phase: "Claim", ops: [seal] }, ...sections], restart: seal, ...common };
}

function runSections(input: RunInput, facts: HostFacts, cidfile: CidFile | undefined): Section[] {
  const { place } = input;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const planned = planContainer(input, facts, { procfs, self }, {});
  const { limits, namespaces, outside, child, terminal, detached } = planned;
  const claimed = claims(input, cidfile);
  const start = input.owner && openPipe();
  const held = [...(start ? [start.reads] : []), ...claimed.held, ...planned.held];
  const kept = letGo(lock, child, detached, terminal, held);
  // A terminal with input has a monitor.
  const { op: serveOp, status } = serve(kept, false, input.timeoutMs, input.owner && OWNER_GONE);
  const told = input.owner ? [programRuns(), tellOwner(input.owner)] : [];
  return [
    {
      phase: "Claim",
      ops: [
        lockOp,
        quietStart(),
        ...raiseSoftFiles(input.softFiles),
        ...planned.holds,
        ...claimed.ops,
        procOp,
        selfOp,
        ...(start ? [start.op] : []),
        ...planned.claims,
      ],
    },
    { phase: "Limits", ops: limits },
    { phase: "Namespaces", ops: namespaces },
    { phase: "Root file system", ops: outside },
    {
      phase: "Life and end",
      ops: [
        kept.op,
        ...told,
        ...tellStart(input),
        serveOp,
        ...planned.ending((one) => KEPT_MORE + held.indexOf(one)),
        ...tellEnd(input, status),
        ...withGone(input, end(place, status, { tell: input.tell })),
      ],
    },
  ];
}

/** One that goes at its end has come with its start; of others it is told when they are made. */
function tellStart({ told, keep }: RunInput): Op[] {
  return told ? [tellEvents(told, [...(keep ? [] : [{ action: "create" }]), { action: "start" }])] : [];
}

function tellEnd({ told }: RunInput, exitCode: Instruction): Op[] {
  return told ? [tellEvents(told, [{ action: "die", exitCode }])] : [];
}

/** @param ops the last of them ends the process */
function withGone({ told, keep }: RunInput, ops: readonly Op[]): Op[] {
  return told && !keep ? [...ops.slice(0, -1), tellEvents(told, [{ action: "destroy" }]), ...ops.slice(-1)] : [...ops];
}

interface Claims {
  readonly ops: readonly Op[];
  /** The lock of a container that stays: only one run of it at a time. */
  readonly held: readonly Instruction[];
}

function claims(input: RunInput, cidfile: CidFile | undefined): Claims {
  const locked = input.keep ? lockContainer(input.directory) : undefined;
  const ops = [
    ...(input.nextRecord === undefined ? [claimName(input.nameFile, input.id, !input.keep)] : []),
    ...(locked ? [locked.op] : []),
    ...(input.nextRecord === undefined ? [] : [noteStart(input.nextRecord, input.directory)]),
    ...(cidfile ? [cidfile.op] : []),
    ...makeScratch(input.root, input.directory, !input.keep),
    ...(input.files?.length && input.root.kind === "directory" && !input.keep ? [makePlace(input.directory)] : []),
    ...writeFiles(input.directory, input.files ?? [], !input.keep),
    ...makeVolumes(input.anonymousVolumes ?? [], !input.keep),
    ...shareVolumes(input.sharedVolumes ?? []),
  ];
  return { ops, held: locked ? [locked.lock] : [] };
}

/** The same by a monitor: the command makes it, and then is its first client, or ends. */
function monitoredSections(
  input: RunInput,
  monitor: Monitoring,
  facts: HostFacts,
  cidfile: CidFile | undefined,
): Section[] {
  const { place, streams, config } = input;
  const shortId = input.id.slice(0, SHORT_ID);
  const { op: lockOp, lock } = lockPlan(place);
  const { op: commandOp, pidfd: command } = ownPidfd(byCaller);
  const guard =
    !monitor.detached && streams.input && streams.terminal ? guardTerminal(command, lock, byCaller) : undefined;
  const pair = monitor.detached ? undefined : connectMonitor();
  const body: Section[] = []; // filled in below: what the command awaits is in it
  const birthplace = makeBirthplace(facts, place.directory);
  const made = cloneMonitor(place.directory, body, lock, pair, birthplace?.into);
  const { kept, ops, alone, sections } = heldByMonitor(input, monitor, facts, { lock, command, pair, cidfile });
  body.push(...sections, { phase: "Life and end", ops: [kept.op, ...ops] });
  const ready = { call: "futex", object: "the monitor", why: "The container runs, or it is told here why not." };
  const rest: Op[] = [byCaller(ready, [awaits(alone, made.pidfd)])];
  if (pair) {
    const client = {
      keys: monitor.keys,
      signals: monitor.signals,
      streams,
      terminal: config.process.terminal === true,
      once: monitor.once,
      unseen: monitor.unseen,
    };
    const { op: serveOp, status } = serveClient(client, pair.ours, made.pidfd, input.mayRestart);
    rest.push(
      serveOp,
      ...(guard ? [dismissGuardian(guard.guardian, byCaller)] : []),
      ...endClient(status, wordsOf(shortId)),
    );
  } else {
    const last = { call: "exit_group", object: "0", why: "The container goes on without the command." };
    rest.push(printId(input.id), byCaller(last, [sys("exit_group", [0])]));
  }
  return [
    {
      phase: "Claim",
      ops: [
        ...(input.restartsIn === undefined ? [] : [letClientsGo()]),
        { ...lockOp, where: "caller" },
        { ...quietStart(), where: "caller" },
        ...(input.restartsIn === undefined ? [] : [waitForRestart(input.restartsIn)]),
        commandOp,
        ...(guard ? [guard.op] : []),
        ...(pair ? [pair.op] : []),
        ...(birthplace ? [birthplace.op] : []),
        made.op,
      ],
    },
    { phase: "Life and end", ops: rest },
  ];
}

/** What the monitor does. */
function heldByMonitor(
  input: RunInput,
  monitor: Monitoring,
  facts: HostFacts,
  from: { lock: Instruction; command: Instruction; pair: Pair | undefined; cidfile: CidFile | undefined },
) {
  const { place, config, timeoutMs } = input;
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const typed = monitor.input ? "open" : monitor.detached || !monitor.callers ? "ended" : "callers";
  const pipes = config.process.terminal ? undefined : openPipes(typed);
  const log = monitor.log && openLog(input.directory, facts.arch, !input.keep);
  const start = openPipe();
  const claimed = claims(input, from.cidfile);
  const planned = planContainer(
    input,
    facts,
    { procfs, self },
    pipes ? { process: () => ({ streams: pipes.inner }) } : {},
  );
  const { limits, namespaces, outside, child, terminal, detached } = planned;
  const holdings = { start: start.reads, connection: from.pair?.monitors, pipes, log: log?.log };
  const held = holdingsKept(holdings);
  const all = [...held, ...claimed.held, ...planned.held];
  const kept = letGo(from.lock, child, detached, terminal, all);
  const { ops, status, alone } = serveMonitor(place.directory, kept, monitor, holdings, timeoutMs);
  const sections: Section[] = [
    {
      phase: "Claim",
      ops: [
        ...beginMonitor(from.command, from.pair),
        ...raiseSoftFiles(input.softFiles),
        ...planned.holds,
        ...claimed.ops,
        procOp,
        selfOp,
        start.op,
        ...(log ? [log.op] : []),
        ...(pipes ? [pipes.op] : []),
        ...planned.claims,
      ],
    },
    { phase: "Limits", ops: limits },
    { phase: "Namespaces", ops: namespaces },
    { phase: "Root file system", ops: outside },
    { phase: "Life and end", ops: [...enterGroups(facts, place.directory), endWithCommand(from.command)] },
  ];
  const locks = claimed.held.map((_, i) => KEPT_MORE + held.length + i);
  const ending = { tell: input.tell, locks, ...(input.keep ? { unless: removingFile(input.directory) } : {}) };
  const last = [...leaveGroups(facts), ...withGone(input, end(place, status, ending, MONITOR_FILES))];
  return {
    kept,
    ops: [
      programRuns(),
      ...tellStart(input),
      ...withChecker(input, facts, kept.pidfd, ops),
      ...planned.ending((one) => KEPT_MORE + all.indexOf(one)),
      ...tellEnd(input, status),
      ...last,
    ],
    alone,
    sections,
  };
}

/** Before the monitor's service, the last op of `ops`; when nothing of the command is needed any more. */
function withChecker({ place, healthIn }: RunInput, facts: HostFacts, pidfd: Instruction, ops: readonly Op[]): Op[] {
  if (healthIn === undefined) return [...ops];
  return [...ops.slice(0, -1), cloneChecker(place, pidfd, healthIn, leaveGroups(facts)), ...ops.slice(-1)];
}
