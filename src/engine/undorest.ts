/** What the stage of a failed run could not undo: it may have failed for want of the same thing, descriptors for instance. */
import { planFile } from "../container/runs.ts";
import { runStage } from "../stage/execute.ts";
import type { Report } from "../stage/report.ts";
import type { Engine } from "./context.ts";

/** Tries again from here, where nothing of the run is held. False: the plan stays, and the next command tries. */
export function undoRest({ stage }: Engine, directory: string, { left }: Report): boolean {
  if (left === 0) return true;
  try {
    return runStage(stage.path, planFile(directory), "recover").status === 0;
  } catch {
    return false; // no process can be made
  }
}

export const notUndone = (whole: boolean, { left }: Report): string =>
  whole ? "" : `; ${left} steps could not be undone, the next command tries again`;
