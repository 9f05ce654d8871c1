/** Control groups of a monitor's own: neither what limits its caller nor what ends its caller's session reaches it. */
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { writeFile } from "./cgroup.ts";
import { alt, sys } from "./instructions.ts";
import { byCaller, onHost } from "./op.ts";
import type { Instruction, Op, Undo } from "./plan.ts";

/** The v2 group that the monitor is born in: moving a process there later waits for a grace period of RCU. */
export interface Birthplace {
  readonly op: Op;
  readonly into: Instruction;
}

/** Called as its run: another command may be about to start the same container. @param run its directory */
const groupOf = (run: string) => `/vitrine-${run.slice(run.lastIndexOf("/") + 1)}`;

export function makeBirthplace({ cgroups, arch }: HostFacts, run: string): Birthplace | undefined {
  const { v2 } = cgroups;
  if (!v2) return undefined;
  const directory = v2.mount + groupOf(run);
  const into = sys("openat", [AT_FDCWD, directory, O_RDONLY | O_DIRECTORY(arch) | O_CLOEXEC]);
  // A group of threads is left without a wait. Only the hierarchy's real root, which has no type, has such groups beside others.
  const typeOfRoot = sys("openat", [AT_FDCWD, `${v2.mount}/cgroup.type`, O_RDONLY | O_CLOEXEC]);
  const ofThreads = alt(
    [typeOfRoot, sys("close", [typeOfRoot])],
    [alt(writeFile(`${directory}/cgroup.type`, "threaded"), [])],
    ["ENOENT"],
  );
  const told = {
    call: "mkdirat",
    object: directory,
    why: "The monitor is born in a control group of its own: it goes on when the caller's session ends.",
    undo: removal(directory),
  };
  return { op: byCaller(told, [sys("mkdirat", [AT_FDCWD, directory, 0o755]), ofThreads, into]), into };
}

/** The v1 ones, by the monitor itself while the container's process is at work. */
export function enterGroups({ cgroups }: HostFacts, run: string): Op[] {
  return cgroups.v1.map(({ mount, controllers }) => {
    // A new cpuset has no CPUs: there the root is as good.
    const shared = controllers.includes("cpuset");
    const directory = shared ? mount : mount + groupOf(run);
    const told = {
      call: "write",
      object: `0 to ${directory}/tasks`,
      why: shared ? "The monitor leaves its caller's group." : "The monitor has a control group of its own.",
    };
    if (shared) return onHost(told, enter(directory, "tasks"));
    const make = sys("mkdirat", [AT_FDCWD, directory, 0o755]);
    return onHost({ ...told, undo: removal(directory) }, [make, ...enter(directory, "tasks")]);
  });
}

/** At the end: what nobody is in can be removed. */
export function leaveGroups({ cgroups }: HostFacts): Op[] {
  const { v1, v2 } = cgroups;
  const told = {
    call: "write",
    object: "0 to the roots of the hierarchies",
    why: "The monitor's own control groups go before it does: a group with a process in it cannot be removed.",
  };
  const leaves = v1
    .filter(({ controllers }) => !controllers.includes("cpuset"))
    .flatMap(({ mount }) => enter(mount, "tasks"));
  if (v2) leaves.push(alt(enter(v2.mount, "cgroup.threads"), enter(v2.mount, "cgroup.procs")));
  return leaves.length > 0 ? [onHost(told, leaves)] : [];
}

function enter(directory: string, file: "tasks" | "cgroup.threads" | "cgroup.procs"): Instruction[] {
  return writeFile(`${directory}/${file}`, "0");
}

function removal(directory: string): Undo {
  return {
    call: "rmdir",
    object: directory,
    does: [sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT"], retry: true })],
  };
}
