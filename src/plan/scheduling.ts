/** How the CPU and disks are given to a process: sched_setattr(2), ioprio_set(2), sched_setaffinity(2). */
import {
  IO_PRIORITY_CLASSES,
  type Process,
  SCHEDULER_FLAGS,
  SCHEDULER_POLICIES,
  type Scheduler,
} from "../spec/config.ts";
import { numbersOf } from "../spec/numberlist.ts";
import { awaits, bytes, struct, sys, u32, u64 } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Arg, Data, Instruction, Op } from "./plan.ts";

/** The process that gets them; if it enters its groups by itself, the last instruction by which it does. */
export interface Scheduled {
  readonly pid: Instruction;
  readonly pidfd: Instruction;
  readonly joined: Instruction | undefined;
}

/** By the stage, which may have the rights for it that the container has not. */
export function setScheduling({ scheduler, ioPriority }: Process, process: Scheduled): Op[] {
  const ops: Op[] = [];
  if (scheduler) {
    if (scheduler.policy !== "SCHED_OTHER" || scheduler.flags?.length) ops.push(setPolicy(scheduler, process));
    else if (scheduler.nice !== undefined) ops.push(setNice(scheduler.nice, process.pid));
  }
  if (ioPriority) ops.push(setIoPriority(ioPriority, process.pid));
  return ops;
}

function setNice(nice: number, child: Instruction): Op {
  const told = {
    call: "setpriority",
    object: `nice ${nice}`,
    why: "Asked for: how much it gives way to others, or they to it.",
    sh: `renice -n ${nice} -p $PID`,
  };
  return onHost(told, [sys("setpriority", [0, child, nice])]);
}

function setPolicy(scheduler: Scheduler, { pid, pidfd, joined }: Scheduled): Op {
  const { policy, nice = 0, priority = 0, flags = [], runtime = 0, deadline = 0, period = 0 } = scheduler;
  const bits = flags.reduce((all, flag) => all | (1 << SCHEDULER_FLAGS.indexOf(flag)), 0);
  // struct sched_attr, version 0
  const attr = struct([
    u32(48),
    u32(SCHEDULER_POLICIES.indexOf(policy)),
    u64(bits),
    u32(nice),
    u32(priority),
    ...[runtime, deadline, period].map((time) => u64(time)),
  ]);
  const word = policy.replace("SCHED_", "").toLowerCase();
  const times = policy === "SCHED_DEADLINE" ? ` -T ${runtime} -D ${deadline} -P ${period}` : "";
  const told = {
    call: "sched_setattr",
    object: `${policy}${priority ? ` ${priority}` : ""}`,
    why: "Asked for: when it gets the CPU, and before whom.",
    sh: `chrt --${word}${times} -p ${priority} $PID`,
  };
  // A group of the v1 cpu controller takes a real-time process only with a budget for it: with this order the error is here.
  const first = joined ? [awaits(joined, pidfd)] : [];
  return onHost(told, [...first, sys("sched_setattr", [pid, attr, 0])]);
}

function setIoPriority({ class: name, priority = 0 }: NonNullable<Process["ioPriority"]>, child: Instruction): Op {
  const WHO_PROCESS = 1;
  const number = IO_PRIORITY_CLASSES.indexOf(name) + 1;
  const told = {
    call: "ioprio_set",
    object: `${name} ${priority}`,
    why: "Asked for: whose reading and writing comes first.",
    sh: `ionice -c ${number}${number < 3 ? ` -n ${priority}` : ""} -p $PID`,
  };
  return onHost(told, [sys("ioprio_set", [WHO_PROCESS, child, (number << 13) | priority])]);
}

/** The CPUs that a process may run on. @param list "0-2,4"; the kernel takes those of its group's that are named */
export function setAffinity(list: string, process: Arg): Instruction {
  const mask = bitMask(list);
  return sys("sched_setaffinity", [process, mask.bytes.length, mask]);
}

/** One bit a number, in whole words of 8 bytes. */
export function bitMask(list: string): Data {
  const numbers = numbersOf(list);
  const mask = new Uint8Array(8 * (Math.floor(Math.max(0, ...numbers) / 64) + 1));
  for (const n of numbers) mask[n >> 3] = (mask[n >> 3] ?? 0) | (1 << (n & 7));
  return bytes(mask);
}
