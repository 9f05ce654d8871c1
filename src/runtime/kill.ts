/** `kill`: a signal to a container's first process, or to all of them. */

import { carryOut } from "../container/plans.ts";
import { signalProcess } from "../container/process.ts";
import { planFile } from "../container/runs.ts";
import { invalid, VitrineError } from "../errors.ts";
import { SIGKILL } from "../linux/constants.ts";
import { signalNumber } from "../linux/signals.ts";
import { planFreeze } from "../plan/freezer.ts";
import { runStage } from "../stage/execute.ts";
import { type Container, findContainer, stageOf } from "./container.ts";
import type { Runtime } from "./context.ts";
import { processesOf } from "./processes.ts";

/** @throws NOT_FOUND, INVALID, CONFLICT if it does not run */
export function killContainer(runtime: Runtime, id: string, signal: string, all: boolean): void {
  const number = signalNumber(signal);
  if (number === undefined) throw invalid(`unknown signal "${signal}"`);
  const container = findContainer(runtime, id);
  if (container.status === "stopped" && !(all && processesOf(container).length > 0)) {
    if (all) return; // its processes are gone, as asked
    throw notRunning(id);
  }
  if (!sendSignal(runtime, container, number, all)) throw notRunning(id);
}

/** False if its first process, for which alone it was, has ended meanwhile. */
export function sendSignal(runtime: Runtime, container: Container, number: number, all: boolean): boolean {
  const { record, directory } = container;
  const { facts, input } = record;
  const everybody =
    all || (number === SIGKILL && !input.config.linux.namespaces.some((n) => n.type === "pid" && !n.path));
  if (everybody) for (const pid of processesOf(container)) signalProcess(pid, number);
  // Frozen, nothing in it can die (cgroup-v1/freezer-subsystem.rst).
  if (number === SIGKILL && container.status === "paused") {
    if (!everybody) signalProcess(container.pid, number);
    carryOut(runtime.engine.stage.path, runtime.engine.paths, planFreeze(facts, input.config.linux.cgroupsPath, false));
  } else if (!everybody) {
    return runStage(stageOf(runtime, directory), planFile(directory), "kill", "drop", number).status === 0;
  }
  return true;
}

function notRunning(id: string): VitrineError {
  return new VitrineError("CONFLICT", `container "${id}": container not running`);
}
