/** `delete`: everything that `create` made is taken back. */
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { planFile } from "../container/runs.ts";
import { collect } from "../engine/gc.ts";
import { VitrineError } from "../errors.ts";
import { groupDirectories } from "../plan/cgroup.ts";
import { runStage } from "../stage/execute.ts";
import { type Container, findContainer, readContainer, stageOf } from "./container.ts";
import { containerPath, type Runtime } from "./context.ts";
import { checkId } from "./id.ts";
import { sendSignal } from "./kill.ts";
import { processesOf } from "./processes.ts";
import { SAID } from "./start.ts";

const KILL_WAIT_MS = 10_000;

/** @param force end it first; one that is not there is no error. @throws NOT_FOUND, CONFLICT, BROKEN_STATE */
export async function deleteContainer(runtime: Runtime, id: string, force: boolean): Promise<void> {
  await collect(runtime.engine); // a half-made one goes with this
  const container = readContainer(runtime, checkId(id));
  if (!container) {
    if (dropEmpty(runtime, id) || force) return;
    findContainer(runtime, id); // says that it is not there
    return;
  }
  if (container.status !== "stopped") {
    if (!force && container.status !== "created")
      throw new VitrineError("CONFLICT", `cannot delete container "${id}" that is not stopped: ${container.status}`, {
        hint: "kill it first, or add --force",
      });
    sendSignal(runtime, container, 9, false); // or it has just ended
    wait(() => readContainer(runtime, id)?.status === "stopped", `container "${id}" does not end`);
  }
  const left = processesOf(container);
  if (left.length > 0) sendSignal(runtime, container, 9, true);
  const { status } = runStage(
    stageOf(runtime, container.directory),
    planFile(container.directory),
    "delete",
    "drop",
    SAID,
  );
  if (status !== 0 && existsSync(container.directory)) throw notGone(container);
}

/** A killed delete may leave a directory without a plan. */
function dropEmpty(runtime: Runtime, id: string): boolean {
  const directory = containerPath(runtime, id);
  try {
    if (readdirSync(directory).length > 0) return false;
    rmdirSync(directory);
    return true;
  } catch {
    return false;
  }
}

function wait(until: () => boolean, otherwise: string): void {
  for (let i = 0; i < KILL_WAIT_MS; i++) {
    if (until()) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  throw new VitrineError("BROKEN_STATE", otherwise);
}

function notGone({ id, record }: Container): VitrineError {
  const { facts, input } = record;
  const groups = groupDirectories(facts, input.config.linux.cgroupsPath).filter(({ directory }) =>
    existsSync(directory),
  );
  const left = groups.map(({ directory }) => directory).join(", ");
  return new VitrineError(
    "BROKEN_STATE",
    `container "${id}": not everything could be taken away${left ? `: ${left}` : ""}`,
    {
      hint: "a process of it may be in the kernel still: delete it again",
    },
  );
}
