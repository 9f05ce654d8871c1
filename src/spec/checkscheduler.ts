/** Priorities of a bundle's process: sched(7), sched_setattr(2), ioprio_set(2). */
import { invalid } from "../errors.ts";
import { IO_PRIORITY_CLASSES, type Process, SCHEDULER_FLAGS, SCHEDULER_POLICIES, type Scheduler } from "./config.ts";
import { among, between, defined, Fields, uint64 } from "./json.ts";
import { numberList } from "./numberlist.ts";

const REAL_TIME: readonly string[] = ["SCHED_FIFO", "SCHED_RR"];
const DEADLINE_TIMES = ["runtime", "deadline", "period"] as const;

export function checkScheduler(value: unknown, path: string): Scheduler {
  const fields = new Fields(value, path);
  const flags = fields.list("flags", among(SCHEDULER_FLAGS));
  const scheduler = defined({
    policy: fields.must("policy", among(SCHEDULER_POLICIES)),
    nice: fields.may("nice", between(-20, 19)),
    priority: fields.may("priority", between(0, 99)) || undefined,
    flags: flags.length > 0 ? flags : undefined,
    runtime: fields.may("runtime", uint64) || undefined,
    deadline: fields.may("deadline", uint64) || undefined,
    period: fields.may("period", uint64) || undefined,
  });
  const { policy, priority } = scheduler;
  if (REAL_TIME.includes(policy) && priority === undefined)
    throw invalid(`${fields.at("priority")}: ${policy} needs one, from 1 to 99`);
  if (!REAL_TIME.includes(policy) && priority !== undefined)
    throw invalid(`${fields.at("priority")}: goes with ${REAL_TIME.join(" and ")} only, not with ${policy}`);
  checkTimes(scheduler, fields);
  return scheduler;
}

/** 0 is not said: the period is then as long as the deadline. */
function checkTimes(scheduler: Scheduler, fields: Fields): void {
  const { policy, runtime, deadline } = scheduler;
  if (policy !== "SCHED_DEADLINE") {
    const said = DEADLINE_TIMES.find((name) => scheduler[name] !== undefined);
    if (said) throw invalid(`${fields.at(said)}: goes with SCHED_DEADLINE only, not with ${policy}`);
    return;
  }
  for (const name of ["runtime", "deadline"] as const)
    if (scheduler[name] === undefined) throw invalid(`${fields.at(name)}: SCHED_DEADLINE needs one`);
  if ((runtime ?? 0) > (deadline ?? 0)) throw invalid(`${fields.at("runtime")}: is more than the deadline`);
  if ((deadline ?? 0) > (scheduler.period ?? Number.POSITIVE_INFINITY))
    throw invalid(`${fields.at("deadline")}: is more than the period`);
}

export function checkIoPriority(value: unknown, path: string): NonNullable<Process["ioPriority"]> {
  const fields = new Fields(value, path);
  return {
    class: fields.must("class", among(IO_PRIORITY_CLASSES)),
    priority: fields.may("priority", between(0, 7)) ?? 0,
  };
}

/** Undefined if neither names a CPU. */
export function checkExecCpuAffinity(value: unknown, path: string): Process["execCPUAffinity"] | undefined {
  const fields = new Fields(value, path);
  const affinity = defined({ initial: fields.may("initial", numberList), final: fields.may("final", numberList) });
  return Object.keys(affinity).length > 0 ? affinity : undefined;
}
