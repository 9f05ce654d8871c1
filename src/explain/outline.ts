/** A plan in the order in which it is told: phases, and in each the steps, numbered as in errors. */
import type { Op, Phase, Plan, Section } from "../plan/plan.ts";

export interface Step {
  /** From 1. */
  readonly number: number;
  readonly phase: Phase;
  readonly op: Op;
}

/** The steps as they are numbered everywhere: those of the container's process follow the step that makes it. */
export function steps(plan: Plan): Step[] {
  const result: Step[] = [];
  const take = (sections: readonly Section[]) => {
    for (const { phase, ops } of sections)
      for (const op of ops) {
        result.push({ number: result.length + 1, phase, op });
        for (const instruction of op.does) if (instruction.do === "clone") take(instruction.body);
      }
  };
  take(plan.run);
  return result;
}
