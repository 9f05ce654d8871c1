/** A plan for a person: what, why, and the on-board command that does the same. */
import type { Op, Plan, Where } from "../plan/plan.ts";
import { steps } from "./outline.ts";

const WHERE: Readonly<Record<Where, string>> = {
  host: "outside",
  caller: "in the command",
  joiner: "in a process on the way",
  guardian: "in the guardian",
  mounter: "in a process that mounts",
  holder: "in a process that holds a namespace",
  unpacker: "in a process of its own",
  checker: "in the process that waits for the next health check",
  keeper: "in the process that keeps the DHCP client",
  dhcp: "in the process that becomes the DHCP client",
  container: "in the container's process",
};

export function explainText(plan: Plan, before: readonly Op[]): string {
  const lines: string[] = [];
  if (before.length > 0) {
    lines.push("Once, before the first run");
    for (const op of before) lines.push(...tell("·", op));
    lines.push("");
  }
  let head = "";
  for (const { number, phase, op } of steps(plan)) {
    const here = `${phase}, ${WHERE[op.where]}`;
    if (here !== head) lines.push(`${head === "" ? "" : "\n"}${here}`);
    head = here;
    lines.push(...tell(String(number), op));
  }
  return `${lines.join("\n")}\n`;
}

function tell(number: string, op: Op): string[] {
  const lines = [`${number.padStart(4)}  ${op.call} ${op.object}`, `      ${op.why}`];
  if (op.sh !== undefined) lines.push(...op.sh.split("\n").map((line) => `      $ ${line}`));
  if (op.undo) {
    const [first = "", ...more] = (op.undo.sh ?? `${op.undo.call} ${op.undo.object}`).split("\n");
    lines.push(`      undone by: ${first}`, ...more.map((line) => `                 ${line}`));
  }
  return lines;
}
