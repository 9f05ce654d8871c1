/** The control groups of a container: made, limited, joined, and taken away with it. */
import { CONTROLLERS } from "../cgroup/controllers.ts";
import { deviceRules, deviceWrites } from "../cgroup/devices.ts";
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
import {
  BPF_CGROUP_DEVICE,
  BPF_F_ALLOW_MULTI,
  BPF_PROG_ATTACH,
  BPF_PROG_LOAD,
  BPF_PROG_TYPE_CGROUP_DEVICE,
  deviceProgram,
} from "../linux/devicebpf.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Resources } from "../spec/config.ts";
import { alt, bytes, out, pointer, struct, sys, text, u32, u64, unless } from "./instructions.ts";
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

export interface GroupsManner {
  /** The groups are of a caller's choosing: levels above are made where missing, an empty group is taken over, devices have rules. */
  readonly bundle?: boolean;
  /** They are a scope of systemd's, that has made most of them; the process is there when it joins the rest. */
  readonly scope?: boolean;
}

/** @param path below each hierarchy's mount point, as in linux.cgroupsPath */
export function planGroups(
  facts: HostFacts,
  resources: Resources,
  path: string,
  { bundle = false, scope = false }: GroupsManner = {},
): Groups {
  const { v1, v2 } = facts.cgroups;
  const prepare: Op[] = [];
  const tasks: Instruction[] = [];
  const files: string[] = [];
  const taken = new Set<string>();
  const above = bundle ? levelsAbove(path) : [];
  for (const hierarchy of v1) {
    const directory = hierarchy.mount + path;
    const open = sys("openat", [AT_FDCWD, `${directory}/tasks`, O_WRONLY | O_CLOEXEC]);
    tasks.push(open);
    files.push(`${directory}/tasks`);
    const isCpuset = hierarchy.controllers.includes("cpuset");
    for (const level of above) prepare.push(makeAbove(hierarchy.mount, level, isCpuset));
    prepare.push(
      makeGroup(directory, hierarchy.controllers.join(), [open], scope ? "there" : bundle ? "empty" : "new"),
    );
    if (isCpuset) prepare.push(...inheritCpuset(hierarchy.mount + parentOf(path), directory));
    for (const controller of CONTROLLERS) {
      if (!hierarchy.controllers.includes(controller.name)) continue;
      taken.add(controller.name);
      const settings = controller.v1(resources, (file) => hierarchy.files.includes(file));
      for (const setting of settings) prepare.push(set(directory, setting));
    }
    if (hierarchy.controllers.includes("devices") && (bundle || resources.devices)) {
      taken.add("devices");
      prepare.push(limitDevices(directory, resources));
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
    const own = CONTROLLERS.filter((c) => !taken.has(c.name) && v2.controllers.includes(c.nameV2 ?? c.name));
    const settings = [
      ...own.flatMap((c) => c.v2(resources)),
      ...Object.entries(resources.unified ?? {}).map(([file, value]) => ({ file, value, what: `${file} ${value}` })),
    ];
    const enabled = own.map((c) => c.nameV2 ?? c.name);
    if (settings.length > 0 && enabled.length > 0) prepare.push(enableControllers(v2.mount, enabled));
    for (const level of above) {
      prepare.push(makeAbove(v2.mount, level, false));
      if (settings.length > 0 && enabled.length > 0) prepare.push(enableControllers(v2.mount + level, enabled));
    }
    if (v2.kill) {
      kill.push(...killAll(directory));
      killSh = `echo 1 > ${directory}/cgroup.kill`;
    }
    prepare.push(makeGroup(directory, "v2", [open], scope ? "there" : bundle ? "empty" : "new"));
    for (const setting of settings) prepare.push(set(directory, setting));
    if (!taken.has("devices") && (bundle || resources.devices)) prepare.push(filterDevices(directory, open, resources));
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
    into: scope ? undefined : into,
    directory: group,
    killSh,
    join: tasks.length > 0 ? [joinGroups(tasks, path, files)] : [],
    kill,
  };
}

/** "/a/b/c": "/a", "/a/b". */
function levelsAbove(path: string): string[] {
  const names = path.split("/").filter(Boolean).slice(0, -1);
  return names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
}

const parentOf = (path: string) => path.slice(0, path.lastIndexOf("/"));

/** A level that others may share: it stays as long as there is something below it. */
function makeAbove(mount: string, level: string, isCpuset: boolean): Op {
  const directory = mount + level;
  const made = sys("mkdirat", [AT_FDCWD, directory, 0o755]);
  const fill = isCpuset ? inheritCpuset(mount + parentOf(level), directory).flatMap((op) => op.does) : [];
  const told = {
    call: "mkdirat",
    object: directory,
    why: "The level above the container's group, where it is missing.",
    sh: `mkdir -p ${directory}`,
    undo: {
      of: made,
      call: "rmdir",
      object: directory,
      sh: `rmdir --ignore-fail-on-non-empty ${directory}`,
      does: [sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT", "EBUSY", "ENOTEMPTY"] })],
    },
  };
  return onHost(told, [unless(["EEXIST"], [made, ...fill])]);
}

/** cgroup-v1/devices.rst: all is denied, and then allowed one by one. */
function limitDevices(directory: string, resources: Resources): Op {
  const writes = deviceWrites(resources);
  const names = [...new Set(writes.map(([file]) => file))];
  const files = new Map(
    names.map((file) => [file, sys("openat", [AT_FDCWD, `${directory}/${file}`, O_WRONLY | O_CLOEXEC])]),
  );
  const told = {
    call: "write",
    object: `rules for devices to ${directory}`,
    why: "Device nodes that no rule allows cannot be opened, wherever they come from.",
    sh: writes.map(([file, value]) => `echo '${value}' > ${directory}/${file}`).join("\n"),
  };
  return onHost(told, [
    ...files.values(),
    ...writes.map(([file, value]) => {
      const data = text(value);
      return sys("write", [files.get(file) ?? -1, data, data.bytes.length]);
    }),
    ...[...files.values()].map((fd) => sys("close", [fd])),
  ]);
}

/** cgroup-v2.rst, "Device controller": v2 has no files for this, but asks a BPF program. */
function filterDevices(directory: string, group: Instruction, resources: Resources): Op {
  const program = deviceProgram(deviceRules(resources));
  // union bpf_attr of BPF_PROG_LOAD: type, count, instructions, license, log level/size/buffer, kernel version, flags, name, ifindex, attach type
  const load = struct([
    u32(BPF_PROG_TYPE_CGROUP_DEVICE),
    u32(program.length / 8),
    pointer(bytes(program)),
    pointer("GPL"),
    ...[u32(0), u32(0), u64(0), u32(0), u32(0), u64(0), u64(0), u32(0), u32(BPF_CGROUP_DEVICE)],
  ]);
  const loaded = sys("bpf", [BPF_PROG_LOAD, load, load.bytes.length]);
  const attach = struct([group, loaded, BPF_CGROUP_DEVICE, BPF_F_ALLOW_MULTI].map((value) => u32(value)));
  const told = {
    call: "bpf",
    object: `rules for devices of ${directory}`,
    why: "Device nodes that no rule allows cannot be opened, wherever they come from; the program goes with the group.",
  };
  return onHost(told, [loaded, sys("bpf", [BPF_PROG_ATTACH, attach, attach.bytes.length]), sys("close", [loaded])]);
}

/** @param may be "new" only; or "empty": made anew, one with processes is somebody else's (EBUSY); or "there" already, and ours */
function makeGroup(
  directory: string,
  controllers: string,
  then: readonly Instruction[],
  may: "new" | "empty" | "there",
): Op {
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
  const make = () => sys("mkdirat", [AT_FDCWD, directory, 0o755], may === "there" ? { ok: ["EEXIST"] } : {});
  const remove = sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR]);
  return onHost(told, [may === "empty" ? alt([make()], [remove, make()], ["EEXIST"]) : make(), ...then]);
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
function inheritCpuset(parent: string, directory: string): Op[] {
  return ["cpuset.cpus", "cpuset.mems"].map((file) => {
    const from = `${parent}/${file}`;
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
  const missing = CONTROLLERS.filter(
    (c) =>
      c.v1(resources, () => true).length > 0 &&
      !v1.some((h) => h.controllers.includes(c.name)) &&
      !v2?.controllers.includes(c.nameV2 ?? c.name),
  ).map((c) => c.name);
  return resources.unified && !v2 ? [...missing, "unified (cgroup v2)"] : missing;
}

export interface GroupDirectory {
  readonly directory: string;
  /** "cpu", "name=systemd"; of v2 those that are there. */
  readonly controllers: readonly string[];
  readonly version: 1 | 2;
}

/** The groups of a container on this host. */
export function groupDirectories({ cgroups }: HostFacts, path: string): GroupDirectory[] {
  const { v1, v2 } = cgroups;
  return [
    ...v1.map((h) => ({ directory: h.mount + path, controllers: h.controllers, version: 1 as const })),
    ...(v2 ? [{ directory: v2.mount + path, controllers: v2.controllers, version: 2 as const }] : []),
  ];
}

/** A group of its own below the container's, on v2 only: there all that is in it can be killed at once. */
export interface OwnGroup {
  readonly op: Op;
  /** What still runs there goes into the container's own group, and the group goes. */
  leave(): Op;
}

/** Undefined where there is no v2, or none that kills a group. */
export function ownGroup({ cgroups: { v2 } }: HostFacts, path: string, name: string): OwnGroup | undefined {
  if (!v2?.kill) return undefined;
  const above = v2.mount + path;
  const directory = `${above}/${name}`;
  const remove = (options: Parameters<typeof sys>[2]) => sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], options);
  const told = {
    call: "mkdirat",
    object: directory,
    why: "A group of its own below the container's: it and all that it starts can be killed as a whole.",
    undo: {
      call: "rmdir",
      object: directory,
      does: [...killAll(directory), remove({ ok: ["ENOENT"], retry: true })],
    },
  };
  const left = {
    call: "rmdir",
    object: directory,
    why: "What it has left running goes on in the container's own group.",
  };
  return {
    op: onHost(told, [sys("mkdirat", [AT_FDCWD, directory, 0o755])]),
    leave() {
      const to = sys("openat", [AT_FDCWD, `${above}/cgroup.procs`, O_WRONLY | O_CLOEXEC]);
      const move: Instruction = { do: "walk", mode: "move", dir: AT_FDCWD, path: `${directory}/cgroup.procs`, to };
      const last = [to, move, sys("close", [to]), remove({ ok: ["ENOENT"], retry: true })];
      return onHost(left, [alt([remove({ ok: ["ENOENT"] })], last, ["EBUSY"])]);
    },
  };
}

/**
 * For one more process in groups that are there.
 * @param below a group below each of them, or ""
 * @param own one below that on v2 only, or ""
 */
export function joinExisting(
  facts: HostFacts,
  path: string,
  below: string,
  own = "",
): Pick<Groups, "prepare" | "join" | "into"> {
  const { v1, v2 } = facts.cgroups;
  const whole = below === "" ? path : `${path}/${below}`;
  const files = v1.map((h) => `${h.mount}${whole}/tasks`);
  const tasks = files.map((file) => sys("openat", [AT_FDCWD, file, O_WRONLY | O_CLOEXEC]));
  const flags = O_RDONLY | O_DIRECTORY(facts.arch) | O_CLOEXEC;
  const into = v2 && sys("openat", [AT_FDCWD, v2.mount + whole + (own && `/${own}`), flags]);
  const opened = [...tasks, ...(into ? [into] : [])];
  const told = {
    call: "openat",
    object: `the control groups ${whole}`,
    why: "The process comes under the limits of the container.",
  };
  return {
    prepare: opened.length > 0 ? [onHost(told, opened)] : [],
    join: tasks.length > 0 ? [joinGroups(tasks, whole, files)] : [],
    into,
  };
}

/** Writes to groups that are there: only what is given. */
export function planUpdate(facts: HostFacts, path: string, resources: Resources): Op[] {
  const { v1, v2 } = facts.cgroups;
  const taken = new Set<string>();
  const ops: Op[] = [];
  for (const { mount, controllers, files } of v1)
    for (const controller of CONTROLLERS) {
      if (!controllers.includes(controller.name)) continue;
      taken.add(controller.name);
      ops.push(
        ...change(
          mount + path,
          controller.v1(resources, (file) => files.includes(file)),
        ),
      );
    }
  if (v2) {
    const own = CONTROLLERS.filter((c) => !taken.has(c.name) && v2.controllers.includes(c.nameV2 ?? c.name));
    for (const controller of own) ops.push(...change(v2.mount + path, controller.v2(resources)));
    const unified = Object.entries(resources.unified ?? {});
    ops.push(
      ...change(
        v2.mount + path,
        unified.map(([file, value]) => ({ file, value, what: `${file} ${value}` })),
      ),
    );
  }
  const devices = v1.find((h) => h.controllers.includes("devices"));
  if (resources.devices && devices) ops.push(limitDevices(devices.mount + path, resources));
  return ops;
}

/** Memory, and memory and swap together: the one must not be above the other in between (cgroup-v1/memory.rst). */
function change(directory: string, settings: readonly Setting[]): Op[] {
  const [first, second] = settings;
  if (first?.file !== "memory.limit_in_bytes" || second?.file !== "memory.memsw.limit_in_bytes")
    return settings.map((setting) => set(directory, setting));
  const both = set(directory, first);
  const write = ({ file, value }: Setting) => writeFile(`${directory}/${file}`, value);
  const does = alt([...write(first), ...write(second)], [...write(second), ...write(first)], ["EINVAL", "EBUSY"]);
  return [
    { ...both, object: `${first.value} and ${second.value} to ${directory}/memory*.limit_in_bytes`, does: [does] },
    ...settings.slice(2).map((setting) => set(directory, setting)),
  ];
}
