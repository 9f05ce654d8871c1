/** The processes of a container, by its control groups. */
import { readFileSync } from "node:fs";
import { groupDirectories } from "../plan/cgroup.ts";
import type { Container } from "./container.ts";

/** Pids as the host counts; those of sub-groups on v2 too. Empty when all have ended. */
export function processesOf({ record }: Container): number[] {
  const { facts, input } = record;
  for (const { directory } of groupDirectories(facts, input.config.linux.cgroupsPath))
    try {
      return readFileSync(`${directory}/cgroup.procs`, "latin1").split("\n").filter(Boolean).map(Number);
    } catch {
      // Not in this hierarchy any more.
    }
  return [];
}
