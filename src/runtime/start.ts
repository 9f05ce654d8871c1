/** `start`: the program of a created container. */
import { signalProcess } from "../container/process.ts";
import { planFile } from "../container/runs.ts";
import { VitrineError } from "../errors.ts";
import { runStage } from "../stage/execute.ts";
import { type Container, findContainer, stageOf } from "./container.ts";
import type { Runtime } from "./context.ts";
import { programFailure } from "./failed.ts";

/** @throws NOT_FOUND, CONFLICT if it is not created or somebody else starts it, COMMAND_NOT_FOUND, CANNOT_INVOKE, STEP_FAILED */
export function startContainer(runtime: Runtime, id: string): void {
  const before = findContainer(runtime, id);
  if (before.status === "stopped" && before.failed) throw programFailure(runtime, before);
  if (before.status !== "created") throw notCreated(before);
  const { status } = runStage(stageOf(runtime, before.directory), planFile(before.directory), "start", "drop", SAID);
  if (status === 0) return;
  const after = findContainer(runtime, id);
  if (after.failed) throw programFailure(runtime, after);
  const { poststart = [] } = after.record.input.config.hooks ?? {};
  if (after.status === "running" && poststart.length > 0) {
    // runtime.md, "Lifecycle": an error, and the container is stopped.
    signalProcess(after.pid, "SIGKILL");
    throw new VitrineError("STEP_FAILED", `a poststart hook of container "${id}" failed: the container was stopped`, {
      hint: `the hooks are ${poststart.map((hook) => hook.path).join(", ")}`,
    });
  }
  throw notCreated(after);
}

/** Given to a later program: hooks may be run, for what becomes of them is told. */
export const SAID = 1;

function notCreated({ id, status }: Container): VitrineError {
  const why =
    status === "paused"
      ? "cannot start a paused container: resume it first"
      : status === "stopped"
        ? "cannot start a container that has stopped"
        : "cannot start an already running container";
  return new VitrineError("CONFLICT", `container "${id}": ${why}`);
}
