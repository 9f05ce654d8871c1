/** What `--explain` prints for commands whose plan is a short list of ops: as text, or as JSON. */
import { VitrineError } from "../errors.ts";
import type { Op, Phase, Plan } from "../plan/plan.ts";
import type { Invocation } from "./command.ts";
import type { Flag } from "./flags.ts";
import { printOut } from "./output.ts";

export const EXPLAIN_FLAG: Flag = {
  name: "explain",
  kind: "optional",
  value: "text|json",
  help: "do nothing: print the plan, step by step",
};

/** Undefined if nobody asked. @throws USAGE for another form */
export function explainForm({ flags }: Invocation): "text" | "json" | undefined {
  const form = flags.get("explain");
  if (form === undefined) return undefined;
  if (form === true || form === "text") return "text";
  if (form === "json") return "json";
  throw new VitrineError("USAGE", `--explain "${form}": neither text nor json`);
}

export async function printOps(form: "text" | "json", ops: readonly Op[], phase: Phase = "Image"): Promise<void> {
  return printPlan(form, { run: [{ phase, ops }], failed: [], recover: [] });
}

export async function printPlan(form: "text" | "json", plan: Plan): Promise<void> {
  if (form === "text") {
    const { explainText } = await import("../explain/text.ts");
    printOut(explainText(plan, []));
  } else {
    const { explainJson } = await import("../explain/json.ts");
    printOut(`${JSON.stringify(explainJson(plan, []), undefined, 2)}\n`);
  }
}
