/** Holding all processes of a container: cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst (cgroup.freeze). */
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { writeFile } from "./cgroup.ts";
import { sys } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

export interface Freezer {
  /** What is written to hold them, and to let them go. */
  readonly file: string;
  readonly words: readonly [frozen: string, thawed: string];
  /** Where it is told that all are held, and by what. */
  readonly told: string;
  readonly held: RegExp;
}

/** @throws LIMIT_UNAVAILABLE where the host has no freezer */
export function freezerOf({ cgroups }: HostFacts, path: string): Freezer {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("freezer"));
  const directory = `${v1?.mount ?? cgroups.v2?.mount}${path}`;
  if (v1) {
    const file = `${directory}/freezer.state`;
    return { file, words: ["FROZEN", "THAWED"], told: file, held: /^FROZEN/ };
  }
  if (!cgroups.v2)
    throw new VitrineError("LIMIT_UNAVAILABLE", "this host cannot hold processes: no cgroup hierarchy has a freezer");
  return {
    file: `${directory}/cgroup.freeze`,
    words: ["1", "0"],
    told: `${directory}/cgroup.events`,
    held: /^frozen 1$/m,
  };
}

/**
 * @param pid its first process: it is in the group, which does not go before it is reaped. So a file that was open while it was there is
 * of this group, and not of one that the container's next run has made by the same name
 */
export function planFreeze(facts: HostFacts, path: string, frozen: boolean, pid?: number): Op[] {
  const { file, words } = freezerOf(facts, path);
  const value = words[frozen ? 0 : 1];
  const told = {
    call: "write",
    object: `${value} to ${file}`,
    why: frozen ? "All processes of the container are held where they are." : "They go on.",
    sh: `echo ${value} > ${file}`,
  };
  const [open, ...write] = writeFile(file, value) as [Instruction, ...Instruction[]];
  const isThere = pid === undefined ? [] : [sys("kill", [pid, 0])];
  return [onHost(told, [open, ...isThere, ...write])];
}
