/** A plan as data, for programs: every step with its instructions. */
import type { Arg, Instruction, Op, Plan } from "../plan/plan.ts";
import { steps } from "./outline.ts";

export interface ExplainedStep {
  step: number;
  phase: string;
  where: string;
  call: string;
  object: string;
  why: string;
  sh?: string | undefined;
  undo?: { call: string; object: string; sh?: string | undefined; does: ExplainedInstruction[] } | undefined;
  does: ExplainedInstruction[];
}

export interface ExplainedInstruction {
  do: Instruction["do"];
  call?: string;
  args?: (string | number)[];
  /** Errnos that are no failure, or that lead to the other group. */
  on?: readonly string[] | undefined;
  first?: ExplainedInstruction[];
  other?: ExplainedInstruction[];
  /** The steps of the child. */
  steps?: number;
}

export interface Explained {
  /** Steps that are done once, before the first run of an image. */
  before: ExplainedStep[];
  steps: ExplainedStep[];
}

export function explainJson(plan: Plan, before: readonly Op[]): Explained {
  const numbered = steps(plan);
  const numbers = new Map<Instruction, number>();
  const note = (number: number, instructions: readonly Instruction[]) => {
    for (const i of instructions) {
      numbers.set(i, number);
      if (i.do === "alt") note(number, [...i.first, ...i.other]);
    }
  };
  const noteOp = (number: number, op: Op) => {
    note(number, op.does);
    note(number, op.undo?.does ?? []);
  };
  for (const [i, op] of before.entries()) noteOp(i + 1, op);
  for (const { number, op } of numbered) noteOp(number, op);
  const explain = (number: number, phase: string, op: Op): ExplainedStep => ({
    step: number,
    phase,
    where: op.where,
    call: op.call,
    object: op.object,
    why: op.why,
    sh: op.sh,
    undo: op.undo && {
      call: op.undo.call,
      object: op.undo.object,
      sh: op.undo.sh,
      does: op.undo.does.map((i) => explainInstruction(i, numbers)),
    },
    does: op.does.map((i) => explainInstruction(i, numbers)),
  });
  return {
    before: before.map((op, i) => explain(i + 1, "Image", op)),
    steps: numbered.map(({ number, phase, op }) => explain(number, phase, op)),
  };
}

function explainInstruction(i: Instruction, numbers: ReadonlyMap<Instruction, number>): ExplainedInstruction {
  const each = (list: readonly Instruction[]) => list.map((inner) => explainInstruction(inner, numbers));
  switch (i.do) {
    case "sys":
      return { do: i.do, call: i.call, args: i.args.map((a) => argument(a, numbers)), on: i.ok };
    case "alt":
      return { do: i.do, on: i.on, first: each(i.first), other: each(i.other) };
    case "clone":
      return { do: i.do, call: "clone3", steps: i.body.reduce((n, s) => n + s.ops.length, 0) };
    case "spawn":
      return { do: i.do, call: i.path, args: [...i.argv] };
    case "walk":
      return {
        do: i.do,
        call: i.mode,
        args: [i.mode === "copy" || i.mode === "list" ? argument(i.to, numbers) : i.path],
      };
    case "stream":
      return { do: i.do, args: [argument(i.dir, numbers), argument(i.from, numbers)] };
    case "await":
      return { do: i.do, args: [`step ${numbers.get(i.done)}`] };
    case "expect":
      return {
        do: i.do,
        args: [
          `${"load" in i.value ? "data" : "do" in i.value ? "result" : "the number given"} & ${i.mask} == ${typeof i.is === "bigint" ? i.is : `result of step ${numbers.get(i.is)}`}`,
          i.errno,
        ],
      };
    default:
      return { do: i.do };
  }
}

function argument(arg: Arg, numbers: ReadonlyMap<Instruction, number>): string | number {
  if (typeof arg === "bigint") return arg.toString();
  if (typeof arg !== "object") return arg;
  if ("do" in arg) return `result of step ${numbers.get(arg)}`;
  if (arg.kind === "given") return "the number given";
  if (arg.kind === "out") return `${arg.size} bytes of the report`;
  const strings = arg.links.flatMap((link) => (link.put === "address" && typeof link.of === "string" ? [link.of] : []));
  return strings.length > 0 && strings.length === arg.links.length ? `[${strings.join(", ")}]` : readable(arg.bytes);
}

function readable(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString("latin1");
  return /^[\x20-\x7e\n]*$/.test(text) ? text : `0x${Buffer.from(bytes).toString("hex")}`;
}
