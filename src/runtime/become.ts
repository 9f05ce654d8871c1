import { planFile } from "../container/runs.ts";
import { becomeStage } from "../stage/become.ts";
import type { Runtime } from "./context.ts";

/** This process goes on as the stage; or, where descriptors are handed on, waits for it. Returns its exit status. */
export async function handOver({ engine }: Runtime, run: string, preserved: number): Promise<number> {
  if (preserved === 0) becomeStage(engine.stage.path, planFile(run));
  const { superviseStage } = await import("../stage/supervise.ts");
  return superviseStage(engine.stage.path, planFile(run), preserved);
}
