/** The step that failed, in a person's words. */
import { VitrineError } from "../errors.ts";
import { errnoName } from "../linux/errno.ts";
import { whatIsUsedUp } from "../linux/usedup.ts";
import type { Op } from "../plan/plan.ts";
import type { Layout } from "../stage/encode.ts";
import type { Report } from "../stage/report.ts";

export interface FailedStep {
  readonly op: Op;
  /** From 1. */
  readonly number: number;
  readonly of: number;
  readonly call: string;
  readonly errno: number;
}

export function failedStep(layout: Layout, report: Report): FailedStep | undefined {
  if (report.failed === undefined) return undefined;
  const placed = layout.instructions[report.failed];
  if (!placed) return undefined;
  const ops = [...new Set(layout.instructions.slice(0, layout.runCount).map((p) => p.op))];
  const { instruction } = placed;
  const call = instruction.do === "sys" ? instruction.call : instruction.do;
  const errno = report.records[report.failed]?.errno ?? 0;
  return { op: placed.op, number: ops.indexOf(placed.op) + 1, of: ops.length, call, errno };
}

/** `step 14 of 37, mount overlay on …: EINVAL` */
export function describeStep({ op, number, of, call, errno }: FailedStep): string {
  const by = call === op.call ? "" : ` (${call})`;
  return `step ${number} of ${of}, ${op.call} ${op.object}: ${errnoName(errno)}${by}`;
}

export function stepError(layout: Layout, report: Report): VitrineError {
  const step = failedStep(layout, report);
  if (!step) return new VitrineError("STEP_FAILED", "a step failed");
  const hint = usedUpBy(step);
  return new VitrineError(hint ? "USED_UP" : "STEP_FAILED", describeStep(step), { hint });
}

/** What to do if the step found that something of the host is used up. */
export const usedUpBy = ({ call, errno }: FailedStep): string | undefined => whatIsUsedUp(errnoName(errno), call);
