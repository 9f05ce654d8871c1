/** The control groups of a container: made, limited, joined, and taken away with it. */
import { CONTROLLERS } from "../cgroup/controllers.ts";
import type { Setting } from "../cgroup/setting.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  CLONE_NEWCGROUP,
  O_CLOEXEC,
  O_DIRECTORY,
  O_RDONLY,
  O_WRONLY,
} from "../linux/constants.ts";
import type { CgroupV1, HostFacts } from "../linux/facts.ts";
import type { Resources } from "../spec/config.ts";
import { out, sys, text } from "./instructions.ts";
import { inside, onHost } from "./op.ts";
import type { Instruction, Op, Undo } from "./plan.ts";

export interface Groups {
  /** To be done before the container's process is made. */
  readonly prepare: readonly Op[];
  /** The v2 group's descriptor, for CLONE_INTO_CGROUP. */
  readonly into?: Instruction | undefined;
  /** Joins the v1 groups; done by the process itself. */
  readonly join: readonly Op[];
  /** The v2 group's directory. */
  readonly directory?: string | undefined;
  /** Ends whatever still runs in the group: for a run that was killed. */
  readonly kill: readonly Instruction[];
  /** The command that does the same. */
  readonly killSh: string;
}

/** @param path below each hierarchy's mount point, as in linux.cgroupsPath */
export function planGroups(facts: HostFacts, resources: Resources, path: string): Groups {
  const { v1, v2 } = facts.cgroups;
  const prepare: Op[] = [];
  const tasks: Instruction[] = [];
  const files: string[] = [];
  const taken = new Set<string>();
  for (const hierarchy of v1) {
    const directory = hierarchy.mount + path;
    const open = sys("openat", [AT_FDCWD, `${directory}/tasks`, O_WRONLY | O_CLOEXEC]);
    tasks.push(open);
    files.push(`${directory}/tasks`);
    prepare.push(makeGroup(directory, hierarchy.controllers.join(), [open]));
    if (hierarchy.controllers.includes("cpuset")) prepare.push(...inheritCpuset(hierarchy, directory));
    for (const controller of CONTROLLERS) {
      if (!hierarchy.controllers.includes(controller.name)) continue;
      taken.add(controller.name);
      const settings = controller.v1(resources, (file) => hierarchy.files.includes(file));
      for (const setting of settings) prepare.push(set(directory, setting));
    }
  }
  let into: Instruction | undefined;
  const group = v2 && v2.mount + path;
  const kill: Instruction[] = [];
  let killSh = "";
  if (v2) {
    const directory = v2.mount + path;
    const open = sys("openat", [AT_FDCWD, directory, O_RDONLY | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
    into = open;
    const own = CONTROLLERS.filter((c) => !taken.has(c.name) && v2.controllers.includes(c.name));
    const settings = own.flatMap((c) => c.v2(resources));
    if (settings.length > 0)
      prepare.push(
        enableControllers(
          v2.mount,
          own.map((c) => c.name),
        ),
      );
    if (v2.kill) {
      kill.push(...killAll(directory));
      killSh = `echo 1 > ${directory}/cgroup.kill`;
    }
    prepare.push(makeGroup(directory, "v2", [open]));
    for (const setting of settings) prepare.push(set(directory, setting));
  }
  // Without cgroup.kill: by list. With a group in several hierarchies any of them names all processes.
  const [first] = v1;
  if (kill.length === 0 && first) {
    const list = `${first.mount}${path}/cgroup.procs`;
    kill.push({ do: "walk", mode: "kill", dir: AT_FDCWD, path: list });
    killSh = `xargs -r kill -KILL < ${list}`;
  }
  return {
    prepare,
    into,
    directory: group,
    killSh,
    join: tasks.length > 0 ? [joinGroups(tasks, path, files)] : [],
    kill,
  };
}

function makeGroup(directory: string, controllers: string, then: readonly Instruction[]): Op {
  const undo: Undo = {
    call: "rmdir",
    object: directory,
    sh: `rmdir ${directory}`,
    // EBUSY lasts a few milliseconds after the last process was killed.
    does: [sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT"], retry: true })],
  };
  const told = {
    call: "mkdirat",
    object: directory,
    why: `A control group of its own (${controllers}), so that this container can be limited, measured and ended as a whole.`,
    sh: `mkdir ${directory}`,
    undo,
  };
  return onHost(told, [sys("mkdirat", [AT_FDCWD, directory, 0o755]), ...then]);
}

function set(directory: string, { file, value, what }: Setting): Op {
  const path = `${directory}/${file}`;
  const told = { call: "write", object: `${value} to ${path}`, why: `Limit: ${what}.`, sh: `echo ${value} > ${path}` };
  return onHost(told, writeFile(path, value));
}

export function writeFile(path: string, value: string): Instruction[] {
  const fd = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
  const data = text(value);
  return [fd, sys("write", [fd, data, data.bytes.length]), sys("close", [fd])];
}

/** A new v1 cpuset has no CPUs and no memory nodes, and takes no process until it has (cgroup-v1/cpusets.rst). */
function inheritCpuset(hierarchy: CgroupV1, directory: string): Op[] {
  return ["cpuset.cpus", "cpuset.mems"].map((file) => {
    const from = `${hierarchy.mount}/${file}`;
    const value = out(256);
    const source = sys("openat", [AT_FDCWD, from, O_CLOEXEC]);
    const length = sys("read", [source, value, value.size]);
    const target = sys("openat", [AT_FDCWD, `${directory}/${file}`, O_WRONLY | O_CLOEXEC]);
    const told = {
      call: "write",
      object: `${from} to ${directory}/${file}`,
      why: "A new cpuset is empty, and an empty one takes no process: it gets its parent's.",
      sh: `cat ${from} > ${directory}/${file}`,
    };
    const close = [source, target].map((fd) => sys("close", [fd]));
    return onHost(told, [source, length, target, sys("write", [target, value, length]), ...close]);
  });
}

function enableControllers(mount: string, names: readonly string[]): Op {
  const value = names.map((n) => `+${n}`).join(" ");
  const path = `${mount}/cgroup.subtree_control`;
  const why = "On cgroup v2 a group has only the files of controllers that its parent hands down.";
  return onHost(
    { call: "write", object: `${value} to ${path}`, why, sh: `echo ${value} > ${path}` },
    writeFile(path, value),
  );
}

function killAll(directory: string): Instruction[] {
  const one = text("1");
  const fd = sys("openat", [AT_FDCWD, `${directory}/cgroup.kill`, O_WRONLY | O_CLOEXEC], { ok: ["ENOENT"] });
  return [fd, sys("write", [fd, one, 1], { ok: ["EBADF"] }), sys("close", [fd], { ok: ["EBADF"] })];
}

// A pid into cgroup.procs waits for a grace period of RCU, some 9 ms; "0" into `tasks` from a process of one thread does not.
function joinGroups(tasks: readonly Instruction[], path: string, files: readonly string[]): Op {
  const zero = text("0");
  const told = {
    call: "write",
    object: `0 to the tasks files of ${path}`,
    why: "The process puts itself under the limits, before anything of the container runs.",
    sh: files.map((file) => `echo $PID > ${file}`).join("\n"),
  };
  return inside(
    told,
    tasks.map((fd) => sys("write", [fd, zero, 1])),
  );
}

export function cgroupNamespace(): Op {
  const told = {
    call: "unshare",
    object: "the cgroup namespace",
    why: "From here on the container sees its own groups as the roots, and nothing above them.",
    sh: "unshare --cgroup",
  };
  return inside(told, [sys("unshare", [CLONE_NEWCGROUP])]);
}

/** Limits in `resources` that no hierarchy of this host can give, by controller. */
export function missingControllers(facts: HostFacts, resources: Resources): string[] {
  const { v1, v2 } = facts.cgroups;
  return CONTROLLERS.filter(
    (c) =>
      c.v1(resources, () => true).length > 0 &&
      !v1.some((h) => h.controllers.includes(c.name)) &&
      !v2?.controllers.includes(c.name),
  ).map((c) => c.name);
}
export function groupDirectories(
  facts: HostFacts,
  path: string,
): { directory: string; controllers: readonly string[] }[] {
  const { v1, v2 } = facts.cgroups;
  return [
    ...v1.map((h) => ({ directory: h.mount + path, controllers: h.controllers })),
    ...(v2 ? [{ directory: v2.mount + path, controllers: v2.controllers }] : []),
  ];
}
export function joinExisting(
  facts: HostFacts,
  path: string,
  _sub: string,
): { prepare: Op[]; join: Op[]; into?: Instruction } {
  const { v1, v2 } = facts.cgroups;
  const files = v1.map((h) => `${h.mount}${path}/tasks`);
  const tasks = files.map((f) => sys("openat", [AT_FDCWD, f, O_WRONLY | O_CLOEXEC]));
  const into = v2 && sys("openat", [AT_FDCWD, v2.mount + path, O_RDONLY | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
  return {
    prepare: [onHost({ call: "openat", object: "groups", why: "x" }, [...tasks, ...(into ? [into] : [])])],
    join: [joinGroups(tasks, path, files)],
    ...(into ? { into } : {}),
  };
}
