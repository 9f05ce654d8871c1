/** The stage's part in a script. */
import type { Instruction, Op } from "../plan/plan.ts";
import { newChain } from "./chain.ts";
import type { Inside } from "./inside.ts";
import { awaitedBy, isAsked, linesOf, told, undoOf } from "./lines.ts";
import type { Step } from "./outline.ts";

export function outsideScript(
  steps: readonly Step[],
  container: readonly Op[],
  inside: Inside,
  numbers: ReadonlyMap<Instruction, number>,
): string[] {
  const lines: string[] = [];
  const heard = new Set(container.flatMap(awaitedBy).map((i) => numbers.get(i)));
  const theirs = new Set(container.flatMap((op) => op.does));
  const chain = newChain();
  const later: string[] = []; // about the container's process, when it is there
  let phase = "";
  for (const step of steps) {
    const { number, op } = step;
    if (step.phase !== phase) lines.push("", `# ${step.phase}`);
    phase = step.phase;
    lines.push(...told(step));
    const makes = op.does.some((i) => i.do === "clone" && i.body.some((s) => container.some((o) => s.ops.includes(o))));
    for (const line of linesOf(op)) {
      if (op.where === "guardian" || (op.where === "mounter" && !/\$(MOUNTS|SCRATCH)/.test(line))) continue; // the script is one process
      if (!makes && op.where !== "joiner") lines.push(line);
      else if (isAsked(line)) later.push(line);
      else lines.push(chain.add(line));
    }
    if (makes) lines.push("start", ...later, "tell go");
    lines.push(...undoOf(op));
    if (heard.has(number)) lines.push(`tell ${number}`);
    if (awaitedBy(op).some((i) => theirs.has(i)) && phase === "Life and end") lines.push(`attend ${inside.last}`);
  }
  return lines;
}
