/** `update`: other limits for a container that is there. */
import { readFileSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { VitrineError } from "../errors.ts";
import { missingControllers, planUpdate } from "../plan/cgroup.ts";
import { writeSchema } from "../plan/resctrl.ts";
import { limitScope } from "../plan/scope.ts";
import type { Resources } from "../spec/config.ts";
import { findContainer } from "./container.ts";
import type { Runtime } from "./context.ts";

/** Only what is given changes. @throws NOT_FOUND, CONFLICT, LIMIT_UNAVAILABLE, STEP_FAILED */
export function updateContainer(
  runtime: Runtime,
  id: string,
  resources: Resources,
  schemata: readonly string[] = [],
): void {
  const { status, record } = findContainer(runtime, id);
  if (status === "stopped") throw new VitrineError("CONFLICT", `container "${id}": container not running`);
  const { facts, input } = record;
  const path = input.config.linux.cgroupsPath;
  const [lacking] = missingControllers(facts, resources);
  if (lacking !== undefined)
    throw new VitrineError(
      "LIMIT_UNAVAILABLE",
      `this host cannot limit ${lacking}: no cgroup hierarchy has that controller`,
    );
  if (resources.memory?.checkBeforeUpdate) checkMemory(runtime, id, path, resources.memory.limit);
  const { resctrl } = input;
  if (schemata.length > 0 && !resctrl)
    throw new VitrineError("CONFLICT", `container "${id}": has no resctrl group: linux.intelRdt was not in its config`);
  const lines = resctrl ? schemata.map((line) => writeSchema(resctrl.directory, line)) : [];
  const { scope } = input;
  const ops = [...(scope ? limitScope(scope, resources) : []), ...planUpdate(facts, path, resources), ...lines];
  if (ops.length > 0) carryOut(runtime.engine.stage.path, runtime.engine.paths, ops);
}

/** v1 refuses a limit below what is in use by itself; v2 kills. */
function checkMemory({ engine }: Runtime, id: string, path: string, limit: number | undefined): void {
  const { v2 } = engine.facts.cgroups;
  if (limit === undefined || limit < 0 || !v2?.controllers.includes("memory")) return;
  const used = Number(readFileSync(`${v2.mount}${path}/memory.current`, "latin1"));
  if (used >= limit)
    throw new VitrineError(
      "CONFLICT",
      `container "${id}": a memory limit of ${limit} bytes is below what it uses, ${used}`,
    );
}
