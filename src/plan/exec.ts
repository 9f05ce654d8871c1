/** `exec`: the command that has one more process made in a container, and waits for it or not. */

import type { HostFacts } from "../linux/facts.ts";
import { hasNamespace } from "../spec/config.ts";
import { attended, OWNER_GONE } from "./attended.ts";
import { tellExecEnd, tellExecStart } from "./events.ts";
import { monitoredExec } from "./execmonitored.ts";
import { type ExecInput, execProcess } from "./execprocess.ts";
import { writePidFile } from "./handing.ts";
import { sys } from "./instructions.ts";
import {
  become,
  bringBackPlan,
  letGoToUndo,
  lockPlan,
  quietStart,
  recovery,
  removePlan,
  sealStage,
  serve,
} from "./life.ts";
import { MONITOR_FILES } from "./monitor.ts";
import { onHost } from "./op.ts";
import { tellOwner } from "./owner.ts";
import type { Op, Plan, Section } from "./plan.ts";
import { programRuns } from "./started.ts";

/** Number of the stage's program "resume": see stage/wire.h. */
const RESUME = 3;

export function planExec(input: ExecInput, facts: HostFacts): Plan {
  const plan = planUnattended(input, facts);
  return input.owner ? attended(plan, input.owner.pid, OWNER_GONE) : plan;
}

function planUnattended(input: ExecInput, facts: HostFacts): Plan {
  const { place, config } = input;
  const sections = execSections(input, facts);
  const tell = {
    call: "execve",
    object: input.session ? "vitrine failed" : "vitrine-runtime failed",
    why: "The program says which step failed, and why.",
  };
  const undo = { call: "unlinkat", object: "what was done so far", why: "A failed command leaves nothing behind." };
  const common = {
    failed: [
      ...(input.session ? [letGoToUndo(), onHost(undo, [{ do: "undo" as const }])] : []),
      bringBackPlan(place),
      onHost(tell, become(place, "failed")),
    ],
    recover: recovery(place, monitored(input) ? MONITOR_FILES : []),
  };
  if (hasNamespace(config, "user")) return { run: sections, ...common };
  const seal = sealStage(input.stage, `${place.directory}/plan`, RESUME);
  return { run: [{ phase: "Claim", ops: [seal] }, ...sections], restart: seal, ...common };
}

function execSections(input: ExecInput, facts: HostFacts): Section[] {
  const { place, session } = input;
  if (session && monitored(input)) return monitoredExec(input, session, facts);
  const { op: lockOp, lock } = lockPlan(place);
  const order = session ? [] : [lockPlan(input, "wait").op];
  const made = execProcess(input, facts, lock);
  const { kept, own } = made;
  const clean = { call: "unlinkat", object: "the plan", why: "Nothing of the command is left." };
  const end: Op[] = [onHost(clean, removePlan(place))];
  if (input.wait) {
    const served = serve(kept, input.wait.input, 0, input.owner && OWNER_GONE);
    const last = { call: "exit_group", object: "the status", why: "The command ends as the process did." };
    end.unshift(served.op, ...tellExecEnd(input, served.status), ...(own ? [own.leave()] : []));
    end.push(onHost(last, [sys("exit_group", [served.status])]));
  }
  return [
    { phase: "Claim", ops: [lockOp, quietStart(), ...order, ...made.claim] },
    { phase: "Limits", ops: made.limits },
    { phase: "Namespaces", ops: made.namespaces },
    {
      phase: "Life and end",
      ops: [
        ...made.handing,
        kept.op,
        programRuns(),
        ...(input.owner ? [tellOwner(input.owner)] : []),
        ...tellExecStart(input),
        ...(input.pidFile === undefined ? [] : [writePidFile(input.pidFile, made.told)]),
        ...end,
      ],
    },
  ];
}

/** Its terminal has to be held when the command has gone. */
function monitored({ session, config, wait }: ExecInput): boolean {
  return session !== undefined && config.process.terminal === true && (session.detached || wait?.input === true);
}
