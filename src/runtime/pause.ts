/** `pause` and `resume`: all processes of a container are held by the freezer of its groups. */
import { readFileSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { freezerOf, planFreeze } from "../plan/freezer.ts";
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
  const path = record.input.config.linux.cgroupsPath;
  const freeze = (frozen: boolean) => carryOut(engine.stage.path, engine.paths, planFreeze(record.facts, path, frozen));
  freeze(paused);
  if (!paused) return;
  const { told, held } = freezerOf(record.facts, path);
  for (let i = 0; i < HOLD_MS; i++) {
    if (held.test(readFileSync(told, "latin1"))) return;
    if (i % 100 === 99) freeze(true); // a process that was just born may have got away (v1)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  freeze(false);
  throw new VitrineError("BROKEN_STATE", `container "${id}": its processes could not be held; they go on`, {
    hint: "one of them may wait in the kernel: try again",
  });
}

const HOLD_MS = 5000;
