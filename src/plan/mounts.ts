/** Everything that is mounted below the root: what the config lists, in its order. */

import type { Arch } from "../linux/arch.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  STATX_BASIC_STATS,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import {
  type Config,
  hasNamespace,
  hasNewNamespace,
  joinedNamespace,
  type Mount,
  type NamespaceType,
} from "../spec/config.ts";
import { planDevices } from "./bundledevices.ts";
import { fillDev, hostNodes, isDevice } from "./devices.ts";
import { attach, cloneMount, newFilesystem, type Parameter, setAttributes } from "./filesystem.ts";
import { alt, expect, out, sys, unless } from "./instructions.ts";
import { visiting } from "./join.ts";
import { labelled } from "./labels.ts";
import type { MountIds } from "./mountids.ts";
import { attributeNames, mountOptions, propagationName } from "./mountoptions.ts";
import { inside, onHost, quote } from "./op.ts";
import { openInRoot, openOrMake, openOrMakeDirectory, split } from "./paths.ts";
import type { Instruction, Op } from "./plan.ts";
import type { IdRange } from "./rootfs.ts";
import { fillVolume, lockVolume } from "./volumes.ts";

export interface Mounts {
  /** Made by the stage, which has the rights on the host's files. */
  readonly outside: readonly Op[];
  readonly inside: readonly Op[];
  /** Descriptor of what is mounted. */
  readonly mount?: Instruction;
}

/** Descriptors of what is mounted on /proc and /sys: paths in there are then resolved from them, for a root may be changed by others meanwhile. */
export type KernelMounts = ReadonlyMap<string, Instruction>;

/** Where a config came from that is not of the engine's making. */
export interface Bundle {
  /** Absolute. */
  readonly directory: string;
}

export interface MountsInput {
  readonly config: Config;
  readonly facts: HostFacts;
  readonly root: Instruction;
  readonly ids: IdRange | undefined;
  readonly mountIds: MountIds;
  /** Descriptors of the namespaces that are joined. */
  readonly joined: ReadonlyMap<NamespaceType, Instruction>;
  readonly bundle?: Bundle | undefined;
}

/** A file system shows the namespace that its maker is in; inside a user namespace only its own may be shown. */
const SHOWS: Readonly<Record<string, NamespaceType>> = {
  proc: "pid",
  sysfs: "network",
  mqueue: "ipc",
  cgroup: "cgroup",
};

export function planMounts(context: MountsInput): Mounts & { readonly kernel: KernelMounts } {
  const kernel = new Map<string, Instruction>();
  const outside: Op[] = [];
  const within: Op[] = [];
  const { mounts } = context.config;
  const last = mounts.findLastIndex(({ destination }) => destination === "/dev");
  const add = (planned: Mounts) => {
    outside.push(...planned.outside);
    within.push(...planned.inside);
  };
  for (const [i, mount] of mounts.entries()) {
    const planned = planMount(mount, context);
    add(planned);
    const name = split(mount.destination).join("/");
    if (planned.mount && (name === "proc" || name === "sys")) kernel.set(name, planned.mount);
    if (i === last && context.bundle) add(planDevices(context));
  }
  if (last < 0 && context.bundle) add(planDevices(context));
  return { outside, inside: within, kernel };
}

function planMount(mount: Mount, context: MountsInput): Mounts {
  if (mount.type === "bind") return context.bundle ? bindAsSaid(mount, context) : bind(mount, context);
  const { config, ids } = context;
  const shows = SHOWS[mount.type];
  const own = shows === undefined || hasNamespace(config, shows);
  if (mount.type === "cgroup")
    return own
      ? { outside: [], inside: ownGroups(mount, context) }
      : context.bundle
        ? boundGroups(mount, context)
        : hostGroups(mount, context);
  // A new user namespace has no rights over a namespace that was there before it.
  const foreign = !own || (context.joined.has(shows ?? "mount") && hasNewNamespace(config, "user"));
  if (foreign && ids) return madeOutside(mount, context);
  const { parameters, set } = mountOptions(mount.options);
  const labels = labelled(context.config, mount.type, parameters);
  const made = newFilesystem(mount.type, mount.source ?? mount.type, labels, set);
  const at = place(mount, context);
  // The engine's own tmpfs lie on /dev, made before; one that the user asked for may be anywhere.
  const check = context.bundle ? notProc(mount, at.fd) : mount.type === "tmpfs" ? notKernelFiles(at.fd) : [];
  const like = mount.type === "tmpfs" ? likeCovered(mount, made.mount, context) : [];
  const does = [...made.does, ...like, ...at.does, ...check, attach(made.mount, at.fd)];
  const ops = [inside(tell(mount), does)];
  if (context.bundle || mount.type !== "tmpfs" || mount.destination !== "/dev")
    return { outside: [], inside: ops, mount: made.mount };
  const { op, nodes } = hostNodes();
  return { outside: [op], inside: [...ops, fillDev(context.root, made.mount, nodes, context.facts.arch)] };
}

const WHY: Readonly<Record<string, string>> = {
  proc: "A procfs of this PID namespace: without it ps would show (and kill would reach) other processes.",
  sysfs: "Devices and kernel objects to look at, not to change.",
  devpts: "Pseudo terminals of its own: none of the host's can be opened.",
  mqueue: "POSIX message queues of this IPC namespace.",
};

function tell(mount: Mount, options = mount.options) {
  const { type, destination } = mount;
  const source = quote(mount.source ?? type);
  return {
    call: "mount",
    object: `${type} on ${destination}`,
    why: WHY[type] ?? `Memory, gone with the container.`,
    sh: `mount -t ${type} ${optionsSh(options)}${source} $ROOT${quote(destination)}`,
  };
}

function optionsSh(options: readonly string[] = []): string {
  return options.length > 0 ? `-o ${quote(options.join())} ` : "";
}

/** Where the stage's mounts wait, in the shell's telling, until the container's process puts them in their places. */
function waiting(mount: Mount, kind = "mount"): string {
  return `$MOUNTS/${kind}${quote(encodeURIComponent(mount.destination))}`;
}

function place(mount: Mount, { root, facts }: MountsInput) {
  // A /proc or /sys that is a link would put the real one somewhere else (CVE-2019-19921, CVE-2023-27561).
  const plain = mount.type === "proc" || mount.type === "sysfs" || mount.type === "cgroup";
  return openOrMakeDirectory(root, mount.destination, facts.arch, plain);
}

/** The namespace is the host's, so only a process with rights over it may mount its file system: the stage, outside. */
function madeOutside(mount: Mount, context: MountsInput): Mounts {
  const { parameters, set } = mountOptions(mount.options);
  const labels = labelled(context.config, mount.type, parameters);
  const made = newFilesystem(mount.type, mount.source ?? mount.type, labels, set);
  const at = place(mount, context);
  const told = tell(mount);
  const shows = SHOWS[mount.type];
  const joined = shows && context.joined.get(shows);
  const does = shows && joined ? visiting(shows, joined, made.does) : made.does;
  const staged = waiting(mount);
  const command = `mount -t ${mount.type} ${optionsSh(mount.options)}${quote(mount.source ?? mount.type)} ${staged}`;
  const file = shows && joined && joinedNamespace(context.config, shows);
  const visit = `nsenter --${shows === "network" ? "net" : "ipc"}=${quote(file ?? "")} --mount=/proc/$PID/ns/mnt`;
  return {
    outside: [
      onHost(
        {
          ...told,
          call: "fsmount",
          object: mount.type,
          why: `${told.why} It shows ${joined ? "a joined" : "the host's"} namespace, so it is made outside.`,
          sh: joined ? `mkdir ${staged}\n${visit} ${command}` : command,
        },
        does,
      ),
    ],
    inside: [
      inside({ ...told, call: "move_mount", sh: `mount --move ${staged} $ROOT${quote(mount.destination)}` }, [
        ...at.does,
        attach(made.mount, at.fd),
      ]),
    ],
    mount: made.mount,
  };
}

/** @param check of where it lands; the engine's own mounts need none */
function bind(mount: Mount, context: MountsInput, check: typeof notKernelFiles = notKernelFiles): Mounts {
  const source = mount.source ?? "";
  const options = mountOptions(mount.options);
  const tree = cloneMount(source, { recursive: options.recursive });
  const idmap = options.idmap ? context.ids?.user : undefined;
  const { recursive, propagation } = options;
  const whole = setAttributes(tree, { set: options.set, idmap, propagation, recursive });
  // A file system mounted below the source may not take an id map (proc, sysfs): then only the source itself gets one.
  const top = [setAttributes(tree, { idmap }), setAttributes(tree, { set: options.set, propagation, recursive })];
  // Asked for: read-only (and the like) at the top alone, whatever is mounted below.
  const alone = [setAttributes(tree, { set: options.set, idmap }), setAttributes(tree, { propagation, recursive })];
  const attributes = recursive && !options.all ? alone : idmap && recursive ? [alt([whole], top, ["EINVAL"])] : [whole];
  const create = mount.options?.includes("create") ? makeSource(source) : [];
  const copies = mount.options?.includes("copyup") === true;
  const isDirectory = sys("openat", [tree, ".", O_PATH | O_DIRECTORY(context.facts.arch)]);
  const at = openOrMake(context.root, mount.destination, context.facts.arch, isDirectory);
  const ro = options.set & MOUNT_ATTR_RDONLY ? ", read-only" : "";
  const flags = attributeNames(options.set).map((name) => (options.all ? `${name}=recursive` : name));
  const spread = propagationName(propagation, recursive);
  const words = [...(idmap ? ["X-mount.idmap=/proc/$PID/ns/user"] : []), ...flags, ...spread];
  const told = {
    call: "open_tree",
    object: source,
    why: idmap
      ? "A directory or file of the host; ids inside and outside mean the same there."
      : "A directory or file of the host.",
    sh: `mount --${recursive ? "r" : ""}bind ${words.length > 0 ? `-o ${words.join()} ` : ""}${quote(source)} ${waiting(mount)}`,
  };
  return {
    outside: [...create, ...(copies ? lockVolume(source) : []), onHost(told, [tree, ...attributes])],
    inside: [
      inside(
        {
          call: "move_mount",
          object: `${source} on ${mount.destination}`,
          why: `Visible at ${mount.destination}${ro}.${copies ? " An empty volume gets what the image has there." : ""}`,
          sh: `mount --move ${waiting(mount)} $ROOT${quote(mount.destination)}`,
        },
        [
          ...at.does,
          ...check(at.fd),
          ...(copies ? fillVolume(at.fd, tree, context.facts.arch) : []),
          attach(tree, at.fd),
        ],
      ),
    ],
    mount: tree,
  };
}

export interface BundleBind {
  /** Not attached anywhere, with its attributes. */
  readonly tree: Instruction;
  readonly op: Op;
  /** Succeeds if it is a directory. */
  readonly isDirectory: Instruction;
}

/**
 * What a bundle binds: flags are for the mount itself, unless they are recursive ones; ids are as on the host unless said.
 * @param user maps its ids
 */
export function bundleBind(mount: Mount, bundle: Bundle | undefined, arch: Arch, user?: Instruction): BundleBind {
  const source = mount.source?.startsWith("/") ? mount.source : `${bundle?.directory}/${mount.source}`;
  const { set, clear, recursiveSet, recursiveClear, recursive, propagation } = mountOptions(mount.options);
  const tree = cloneMount(source, { recursive });
  const attributes = [setAttributes(tree, { propagation, recursive })];
  if (user)
    attributes.push(setAttributes(tree, { idmap: user, recursive: mount.options?.includes("ridmap") ?? false }));
  if (recursiveSet || recursiveClear)
    attributes.push(setAttributes(tree, { set: recursiveSet, clear: recursiveClear, recursive }));
  if (set || clear) attributes.push(setAttributes(tree, { set, clear }));
  const words = [...attributeNames(set), ...propagationName(propagation, recursive)];
  const told = {
    call: "open_tree",
    object: source,
    why: "A directory or file of the host, as the bundle has it.",
    sh: `mount --${recursive ? "r" : ""}bind ${words.length > 0 ? `-o ${words.join()} ` : ""}${quote(source)} ${waiting(mount)}`,
  };
  return {
    tree,
    op: onHost(told, [tree, ...attributes]),
    isDirectory: sys("openat", [tree, ".", O_PATH | O_DIRECTORY(arch)]),
  };
}

function bindAsSaid(mount: Mount, context: MountsInput): Mounts {
  const { bundle, ids, root, facts } = context;
  const { idmap } = mountOptions(mount.options);
  const user = context.mountIds.of(mount) ?? (idmap ? ids?.user : undefined);
  const { tree, op, isDirectory } = bundleBind(mount, bundle, facts.arch, user);
  const at = openOrMake(root, mount.destination, facts.arch, isDirectory);
  return {
    outside: [op],
    inside: [
      inside(
        {
          call: "move_mount",
          object: `${op.object} on ${mount.destination}`,
          why: `Visible at ${mount.destination}.`,
          sh: `mount --move ${waiting(mount)} $ROOT${quote(mount.destination)}`,
        },
        [...at.does, ...notProc(mount, at.fd), attach(tree, at.fd)],
      ),
    ],
    mount: tree,
  };
}

/** Files below /proc that may be covered: what lxcfs offers, and a few more that runc lets through. */
const COVERABLE = [
  ...["cpuinfo", "diskstats", "meminfo", "stat", "swaps", "uptime", "loadavg", "slabinfo", "net/dev"],
  ...["sys/kernel/ns_last_pid", "sys/crypto/fips_enabled"],
].map((name) => `/proc/${name}`);

/** Fails with EPERM for what would cover the kernel's own word on processes (CVE-2019-16884). */
function notProc({ destination }: Mount, fd: Instruction): Instruction[] {
  if (COVERABLE.includes(`/${split(destination).join("/")}`)) return [];
  const stat = out(128);
  const type = { load: stat, at: 0, width: 8 } as const;
  return [
    sys("fstatfs", [fd, stat]),
    unless(["ESTALE"], [expect(type, 0xffffffffffffffffn, PROC_MAGIC, "ESTALE"), expect(type, 0n, 1n, "EPERM")]),
  ];
}

/**
 * As runc has it: without a mode of its own a tmpfs has that of the directory it covers, and 1777 where there is none. With
 * "tmpcopyup" it has what is in there too, as far as it is directories, files, links and FIFOs.
 */
function likeCovered(
  { destination, options = [] }: Mount,
  mount: Instruction,
  { root, facts }: MountsInput,
): Instruction[] {
  const said = options.find((option) => option.startsWith("mode="));
  const copies = options.includes("tmpcopyup");
  if (said !== undefined && !copies) return [];
  const open = O_DIRECTORY(facts.arch) | O_CLOEXEC;
  const covered = openInRoot(root, destination, O_PATH | open);
  const from = sys("openat", [covered, ".", open]);
  const to = sys("openat", [mount, ".", open]);
  const stat = out(256); // struct statx: stx_mode at 28 (u16)
  const mode = expect({ load: stat, at: 28, width: 2 }, 0n, 0n, "EIO");
  const look = [sys("statx", [from, "", AT_EMPTY_PATH, STATX_BASIC_STATS, stat]), mode];
  const like = said === undefined ? sys("fchmod", [to, mode]) : sys("fchmod", [to, Number.parseInt(said.slice(5), 8)]);
  const copy: Instruction[] = copies ? [{ do: "walk", mode: "copy", dir: from, to }] : [];
  const closed = [covered, from, to].map((fd) => sys("close", [fd]));
  return [unless(["ENOENT"], [covered, from, to, ...(said === undefined ? look : []), ...copy, like, ...closed])];
}

/** Asked for: a directory of the host that is not there is made, with the ones above it. */
function makeSource(source: string): Op[] {
  const names = split(source);
  const told = {
    call: "mkdirat",
    object: source,
    why: "Asked for: the directory of the host is made where it is missing.",
    sh: `mkdir -p ${quote(source)}`,
  };
  const paths = names.map((_, i) => `/${names.slice(0, i + 1).join("/")}`);
  return [
    onHost(
      told,
      paths.map((path) => sys("mkdirat", [AT_FDCWD, path, 0o755], { ok: ["EEXIST"] })),
    ),
  ];
}

/** statfs(2), f_type: what keeps the container in must not be covered, also not by way of a link in the image. */
const PROC_MAGIC = 0x9fa0n;
const SYSFS_MAGIC = 0x62656572n;

/** Fails with EPERM if the descriptor lies on a proc or sysfs. */
function notKernelFiles(fd: Instruction): Instruction[] {
  const stat = out(128);
  const type = { load: stat, at: 0, width: 8 } as const;
  const all = 0xffffffffffffffffn;
  return [
    sys("fstatfs", [fd, stat]),
    ...[PROC_MAGIC, SYSFS_MAGIC].map((magic) =>
      unless(["ESTALE"], [expect(type, all, magic, "ESTALE"), expect(type, 0n, 1n, "EPERM")]),
    ),
  ];
}

/** In its own cgroup namespace: one mount a hierarchy, whose root is the container's group. */
function ownGroups(mount: Mount, context: MountsInput): Op[] {
  const { v1, v2 } = context.facts.cgroups;
  const { set } = mountOptions(mount.options);
  const at = place(mount, context);
  if (v1.length === 0) {
    if (!v2) return [];
    const made = newFilesystem("cgroup2", "cgroup", [], set);
    return [
      inside({ ...tell(mount), why: "The limits it sits under, to look at." }, [
        ...made.does,
        ...at.does,
        attach(made.mount, at.fd),
      ]),
    ];
  }
  const base = newFilesystem(
    "tmpfs",
    "tmpfs",
    labelled(context.config, "tmpfs", [["mode", "755"]]),
    set & ~MOUNT_ATTR_RDONLY,
  );
  const does: Instruction[] = [...base.does, ...at.does, attach(base.mount, at.fd)];
  const hierarchies: [string, string, Parameter[]][] = v1.map((h) => [
    h.mount.slice(h.mount.lastIndexOf("/") + 1),
    "cgroup",
    h.controllers.flatMap((c): Parameter[] => (c.startsWith("name=") ? [["none"], ["name", c.slice(5)]] : [[c]])),
  ]);
  if (v2) hierarchies.push(["unified", "cgroup2", []]);
  for (const [name, type, parameters] of hierarchies) {
    const made = newFilesystem(type, "cgroup", parameters, set);
    const directory = sys("openat", [base.mount, name, O_PATH | O_DIRECTORY(context.facts.arch)]);
    // Lies below the tmpfs just made: nothing of the image is on this path.
    does.push(sys("mkdirat", [base.mount, name, 0o755]), ...made.does, directory, attach(made.mount, directory));
  }
  if (set & MOUNT_ATTR_RDONLY) does.push(setAttributes(base.mount, { set }));
  const told = tell(mount);
  return [
    inside(
      {
        ...told,
        object: `${hierarchies.map(([name]) => name).join()} on ${mount.destination}`,
        why: "The limits it sits under, to look at, not to change.",
        sh: groupsSh(mount, hierarchies),
      },
      does,
    ),
  ];
}

function groupsSh({ destination, options = [] }: Mount, hierarchies: readonly [string, string, Parameter[]][]): string {
  const at = `$ROOT${quote(destination)}`;
  const later = options.filter((o) => o !== "ro");
  const each = hierarchies.map(([name, type, parameters]) => {
    const all = [...options, ...parameters.map(([key, value]) => (value === undefined ? key : `${key}=${value}`))];
    return `mount -t ${type} ${optionsSh(all)}cgroup ${at}/${quote(name)}`;
  });
  const close = options.includes("ro") ? [`mount ${optionsSh(["remount", "bind", ...options])}${at}`] : [];
  return [`mount -t tmpfs ${optionsSh([...later, "mode=755"])}tmpfs ${at}`, ...each, ...close].join("\n");
}

/** In the host's cgroup namespace there is nothing to hide: the host's own mounts, read-only. */
function hostGroups(mount: Mount, context: MountsInput): Mounts {
  const { v1, v2 } = context.facts.cgroups;
  const first = v1[0]?.mount ?? v2?.mount;
  if (!first) return { outside: [], inside: [] };
  const source = v1.length > 0 ? first.slice(0, first.lastIndexOf("/")) : first;
  return bind(
    { ...mount, type: "bind", source, options: ["rbind", "ro", "nosuid", "nodev", "noexec"] },
    context,
    () => [],
  );
}

/** The host's cgroup namespace: of each hierarchy the container's own group, where the hierarchy has its place. */
function boundGroups(mount: Mount, context: MountsInput): Mounts {
  const { facts, config } = context;
  const { v1, v2 } = facts.cgroups;
  const { set, propagation } = mountOptions(mount.options);
  const path = config.linux.cgroupsPath;
  const trees: { name: string; tree: Instruction }[] = [];
  const outside: Op[] = [];
  const single = v1.length === 0;
  for (const hierarchy of [...v1, ...(v2 ? [v2] : [])]) {
    const tree = cloneMount(hierarchy.mount + path);
    const name = hierarchy.mount.slice(hierarchy.mount.lastIndexOf("/") + 1);
    trees.push({ name, tree });
    const told = {
      call: "open_tree",
      object: hierarchy.mount + path,
      why: "The container's own group: its limits, to look at.",
      sh: `mount --bind ${hierarchy.mount}${path} ${waiting(mount, name)}`,
    };
    outside.push(onHost(told, [tree, setAttributes(tree, { set, propagation })]));
  }
  const [only] = trees;
  const at = place(mount, context);
  const told = { ...tell(mount), why: "The limits it sits under." };
  if (single) return { outside, inside: only ? [inside(told, [...at.does, attach(only.tree, at.fd)])] : [] };
  const base = newFilesystem(
    "tmpfs",
    "tmpfs",
    labelled(context.config, "tmpfs", [["mode", "755"]]),
    set & ~MOUNT_ATTR_RDONLY,
  );
  const does: Instruction[] = [...base.does, ...at.does, attach(base.mount, at.fd)];
  for (const { name, tree } of trees) {
    const directory = sys("openat", [base.mount, name, O_PATH | O_DIRECTORY(facts.arch)]);
    does.push(sys("mkdirat", [base.mount, name, 0o755]), directory, attach(tree, directory));
    // As hosts have it: each controller of a common hierarchy by its own name.
    if (name.includes(",")) for (const one of name.split(",")) does.push(sys("symlinkat", [name, base.mount, one]));
  }
  if (set & MOUNT_ATTR_RDONLY) does.push(setAttributes(base.mount, { set }));
  return { outside, inside: [inside(told, does)] };
}

/** Before pivot_root: parts of /proc and /sys that are one kernel for all, read-only or covered. */
export function protectPaths(config: Config, facts: HostFacts, root: Instruction, kernel: KernelMounts): Op[] {
  const ops: Op[] = [];
  const open = (path: string) => {
    const [first = "", ...rest] = split(path);
    const mount = rest.includes("..") ? undefined : kernel.get(first);
    return mount ? openInRoot(mount, rest.join("/"), O_PATH) : openInRoot(root, path, O_PATH);
  };
  const { readonlyPaths, maskedPaths } = config.linux;
  if (readonlyPaths.length > 0)
    ops.push(
      inside(
        {
          call: "mount_setattr",
          object: `${readonlyPaths.join(" ")} read-only`,
          why: "These belong to the one kernel that all share; writing there would reach the host.",
          sh: `for p in ${readonlyPaths.map(quote).join(" ")}; do ! [ -e "$ROOT$p" ] || { mount --rbind "$ROOT$p" "$ROOT$p"; mount -o remount,bind,ro,nosuid,nodev,noexec "$ROOT$p"; }; done`,
        },
        readonlyPaths.map((path) => {
          const at = open(path);
          const tree = cloneMount("", { at, recursive: true });
          const set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
          return unless(["ENOENT"], [at, tree, setAttributes(tree, { set, recursive: true }), attach(tree, at)]);
        }),
      ),
    );
  if (maskedPaths.length === 0) return ops;
  const nothing = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
  const nullNode = openInRoot(root, "/dev/null", O_PATH | O_NOFOLLOW(facts.arch), true);
  // Attached once on the old root, which goes with pivot_root: only an attached mount can be cloned before Linux 6.15.
  const hollow = newFilesystem(
    "tmpfs",
    "tmpfs",
    labelled(config, "tmpfs", [
      ["size", "0"],
      ["nr_inodes", "2"],
    ]),
    nothing,
  );
  const base = sys("openat", [AT_FDCWD, "/proc", O_PATH | O_CLOEXEC]);
  const masks = maskedPaths.map((path) => {
    const at = open(path);
    const file = cloneMount("", { at: nullNode });
    const directory = cloneMount("", { at: hollow.mount });
    // A file does not go onto a directory: then it is one.
    const cover = alt([file, attach(file, at)], [directory, attach(directory, at)], ["EINVAL", "ENOTDIR", "EISDIR"]);
    return unless(["ENOENT"], [at, cover]);
  });
  ops.push(
    inside(
      {
        call: "move_mount",
        object: `covers on ${maskedPaths.join(" ")}`,
        why: "These tell about the host, or reach it: each is covered by nothing at all.",
        sh: `for p in ${maskedPaths.map(quote).join(" ")}; do if [ -d "$ROOT$p" ]; then mount -t tmpfs -o ro,nosuid,nodev,noexec,size=0,nr_inodes=2 tmpfs "$ROOT$p"; elif [ -e "$ROOT$p" ]; then mount --bind $ROOT/dev/null "$ROOT$p"; fi; done`,
      },
      [nullNode, ...isDevice(nullNode, 1, 3), ...hollow.does, base, attach(hollow.mount, base), ...masks],
    ),
  );
  return ops;
}
