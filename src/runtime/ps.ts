/** `ps`: the processes of a container, as ps(1) of the host shows them. */
import { spawnSync } from "node:child_process";
import { VitrineError } from "../errors.ts";
import { findContainer } from "./container.ts";
import type { Runtime } from "./context.ts";
import { processesOf } from "./processes.ts";

/** Pids as the host counts; none when it has stopped. @throws NOT_FOUND */
export function processIds(runtime: Runtime, id: string): number[] {
  return processesOf(findContainer(runtime, id));
}

/** Lines of ps, its head and those of the container. @param args of ps, "-ef" if there are none */
export function processTable(runtime: Runtime, id: string, args: readonly string[]): string[] {
  const pids = new Set(processIds(runtime, id));
  const child = spawnSync("ps", args.length > 0 ? args : ["-ef"], { encoding: "utf8" });
  if (child.error)
    throw new VitrineError("NOT_FOUND", "ps is not there", { hint: "install procps, or use --format json" });
  if (child.status !== 0) throw new VitrineError("INVALID", `ps ${args.join(" ")}: ${child.stderr.trim()}`);
  const [head = "", ...lines] = child.stdout.split("\n").filter(Boolean);
  const column = head.trim().split(/\s+/).indexOf("PID");
  if (column < 0)
    throw new VitrineError("INVALID", `ps ${args.join(" ")}: shows no PID`, { hint: "add it to the columns" });
  return [head, ...lines.filter((line) => pids.has(Number(line.trim().split(/\s+/)[column])))];
}
