/** How long each step of a run took, from the report that the stage wrote. */
import type { Instruction, Op, Where } from "../plan/plan.ts";
import type { Layout } from "../stage/encode.ts";
import type { Report } from "../stage/report.ts";

export interface Timed {
  /** Nanoseconds that vitrine took before the stage. */
  readonly prepared: bigint;
  readonly layout: Layout;
  readonly report: Report;
}

export interface StepTime {
  /** As in explanations and errors, from 1. */
  readonly number: number;
  readonly op: Op;
  /** Nanoseconds since the stage began. */
  readonly at: bigint;
  readonly took: bigint;
  /** Spent in waiting for the other process; part of `took`. */
  readonly waited: bigint;
  readonly finished: boolean;
}

/** Times of every step that was begun, in the plan's order. */
export function stepTimes(layout: Layout, report: Report): StepTime[] {
  const times = new Map<Op, { first: bigint; last: bigint; waited: bigint; finished: boolean }>();
  const monitored = layout.instructions.some((p) => p.op.where === "caller");
  const ends: Record<Where, bigint> = {
    host: monitored ? 0n : report.start,
    caller: report.start,
    joiner: 0n,
    guardian: 0n,
    mounter: 0n,
    holder: 0n,
    unpacker: 0n,
    checker: 0n,
    keeper: 0n,
    dhcp: 0n,
    container: 0n,
  };
  for (let i = 0; i < layout.runCount; i++) {
    const placed = layout.instructions[i];
    const record = report.records[i];
    if (!placed || !record || record.state === "pending") continue;
    const { op, instruction } = placed;
    const born = ends[op.where] === 0n ? birth(op.where, layout, report) : ends[op.where];
    const start = record.end !== 0n && record.end < born ? record.end : born; // clone3 may return later than the child runs
    const finished = record.end !== 0n;
    const end = finished ? record.end : start;
    const entry = times.get(op) ?? { first: start, last: start, waited: 0n, finished: true };
    if (end > entry.last) entry.last = end;
    if (instruction.do === "await") entry.waited += end - start;
    entry.finished &&= finished;
    times.set(op, entry);
    // An alt is done after what it holds; it stands before it.
    if (instruction.do !== "alt" && end > ends[op.where]) ends[op.where] = end;
  }
  const all = [...new Set(layout.instructions.slice(0, layout.runCount).map((p) => p.op))];
  return [...times].map(([op, t]) => ({
    number: all.indexOf(op) + 1,
    op,
    at: t.first - report.start,
    took: t.last - t.first,
    waited: t.waited,
    finished: t.finished,
  }));
}

function birth(where: Where, layout: Layout, report: Report): bigint {
  const makes = (i: Instruction) => i.do === "clone" && i.body.some((s) => s.ops.some((op) => op.where === where));
  const at = layout.instructions.findIndex((p) => makes(p.instruction));
  return report.records[at]?.end ?? report.start;
}

const WHO: Readonly<Record<Where, string>> = {
  host: "outside",
  caller: "command",
  joiner: "joiner ",
  guardian: "guard  ",
  mounter: "mounter",
  holder: "holder ",
  unpacker: "tree   ",
  checker: "checker",
  keeper: "keeper ",
  dhcp: "dhcp   ",
  container: "inside ",
};

/** @param undoTook nanoseconds that cleaning up took */
export function formatTimeline({ prepared, layout, report }: Timed, undoTook: bigint): string {
  const times = stepTimes(layout, report);
  const rows = times.map((t) => {
    const waited = t.waited > 10_000n ? `  (waited ${ms(t.waited)})` : "";
    const who = WHO[t.op.where];
    return `${String(t.number).padStart(4)}  ${ms(t.at).padStart(9)}  ${(t.finished ? ms(t.took) : "-").padStart(9)}  ${who}  ${t.op.call} ${short(t.op.object)}${waited}\n`;
  });
  const head = `${"step".padStart(4)}  ${"at ms".padStart(9)}  ${"took ms".padStart(9)}\n`;
  return `${head}${rows.join("")}vitrine before the stage: ${ms(prepared)} ms; undo: ${ms(undoTook)} ms\n`;
}

function ms(nanoseconds: bigint): string {
  return (Number(nanoseconds) / 1e6).toFixed(3);
}

function short(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 59)}…`;
}
