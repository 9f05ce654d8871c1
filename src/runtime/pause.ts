/** `pause` and `resume`: all processes of a container are held by the freezer of its groups. */
import { carryOut } from "../engine/plans.ts";
import { VitrineError } from "../errors.ts";
import { planFreeze } from "../plan/freezer.ts";
import { findContainer } from "./container.ts";
import type { Runtime } from "./context.ts";

/** @throws NOT_FOUND, CONFLICT if it is not in the state for this, STEP_FAILED */
export function setPaused(runtime: Runtime, id: string, paused: boolean): void {
  const { status, record } = findContainer(runtime, id);
  const right = paused ? status === "running" || status === "created" : status === "paused";
  if (!right)
    throw new VitrineError(
      "CONFLICT",
      paused
        ? `container "${id}": cannot pause one that is ${status}`
        : `container "${id}": container not paused (it is ${status})`,
    );
  const { engine } = runtime;
  const ops = planFreeze(record.facts, record.input.config.linux.cgroupsPath, paused);
  carryOut(engine.stage.path, engine.paths, ops);
}
