/**
 * A container out of files that criu(8) has written. What is around it (its groups, its network namespace, where its root and its
 * binds are) is made here, as for a new one; criu makes the rest, and is the process in which it comes to life.
 */
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  CLONE_FILES,
  CLONE_INTO_CGROUP,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLOSE_RANGE_CLOEXEC,
  CLOSE_RANGE_UNSHARE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  PR_SET_CHILD_SUBREAPER,
  PR_SET_NO_NEW_PRIVS,
  SIG_SETMASK,
  SIGCHLD,
  WALL,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { type Config, hasNamespace, hasNewNamespace, joinedNamespace, type Mount } from "../spec/config.ts";
import { cgroupNamespace, type Groups, planGroups } from "./cgroup.ts";
import { claim, commit, failure, inBundle, knowProcess } from "./create.ts";
import type { CreateInput, Marks, PidText } from "./created.ts";
import {
  type Criu,
  type CriuManner,
  type CriuPlaces,
  criuFlags,
  externalMount,
  type HostFiles,
  makeDirectory,
  NETWORK_KEY,
  RESTORE_LOG,
} from "./criu.ts";
import { hostNodes, type Node } from "./devices.ts";
import { attach, cloneMount, newFilesystem } from "./filesystem.ts";
import { writePidFile } from "./handing.ts";
import { bytes, expect, out, strings, sys } from "./instructions.ts";
import { openNamespaces } from "./join.ts";
import { programsOf } from "./later.ts";
import { letGo, lockPlan, quietStart, recovery } from "./life.ts";
import { bundleBind } from "./mounts.ts";
import { cloneArgs, dieWithParent, ownPidfd, ownProcfs, privateMounts } from "./namespaces.ts";
import { loopbackUp } from "./network/loopback.ts";
import { inside, onHost, quote } from "./op.ts";
import { openOrMake, openOrMakeDirectory, split } from "./paths.ts";
import { type Clone, DIGITS, type Instruction, type Op, type Plan, type Section } from "./plan.ts";
import { readOnlyRoot } from "./rootfs.ts";
import { setNetworkSysctls } from "./sysctl.ts";
import { waitForEnd } from "./waited.ts";

export interface RestoreInput extends CreateInput {
  readonly restore: {
    readonly criu: Criu;
    readonly places: CriuPlaces;
    readonly manner: CriuManner;
    /** criu's name of a mount, and what is to be there on this host. */
    readonly external: readonly (readonly [name: string, source: string])[];
    readonly files: HostFiles;
    /** "TYPE:NAME", and an SELinux context. */
    readonly profile?: string | undefined;
    readonly mountContext?: string | undefined;
  };
}

/** Numbers that criu finds the network namespace and /dev/null by: below those that a plan keeps. */
const NETWORK = 200;
const NULL = 201;

export function planRestore(input: RestoreInput, facts: HostFacts): Plan & { marks: Marks } {
  const { config, place, bundle, directory } = input;
  const { op: lockOp, lock } = lockPlan(place);
  const { op: procOp, procfs } = ownProcfs();
  const { op: selfOp, pidfd: self } = ownPidfd();
  const groups = planGroups(facts, config.linux.resources, config.linux.cgroupsPath, { bundle: true });
  const joined = openNamespaces({ ...config, linux: { ...config.linux, namespaces: joinedNetwork(config) } }, {});
  const body: Section[] = [];
  const criu = startCriu(groups, body, input);
  const { op: nodesOp, nodes } = hostNodes();
  const binds = placeBinds(input, facts);
  body.push(
    { phase: "Namespaces", ops: [dieWithParent(self), privateMounts()] },
    { phase: "Root file system", ops: [...rootPlace(input, facts), ...binds.inside, coverNodes(nodes)] },
    { phase: "Process", ops: becomeCriu(input, procfs, joined.descriptors.get("network")) },
  );
  const restored = takeOver(input);
  const child = { ops: [], pid: restored.pid, pidfd: restored.pidfd };
  const known = knowProcess(child, procfs);
  const committed = commit(place, directory);
  const marks: Marks = { pid: restored.pid, inode: known.inode, stat: known.stat };
  const programs = programsOf(input, facts, marks, restored.told);
  const sections: Section[] = [
    {
      phase: "Claim",
      ops: [
        lockOp,
        quietStart(),
        inBundle(bundle.directory),
        claim(input),
        makePlaces(directory),
        makeDirectory(input.restore.places.work),
        procOp,
        selfOp,
      ],
    },
    { phase: "Limits", ops: groups.prepare },
    { phase: "Namespaces", ops: [...joined.ops, nodesOp, ...binds.outside, adopt(), criu.op, restored.op, known.op] },
    {
      phase: "Life and end",
      ops: [...(input.pidFile === undefined ? [] : [writePidFile(input.pidFile, restored.told)]), committed.op],
    },
  ];
  if (input.run?.wait) {
    const kept = letGo(lock, child, restored.pid, undefined);
    sections.push({ phase: "Life and end", ops: [kept.op, ...waitForEnd(kept, input.run, programs)] });
  }
  return {
    run: sections,
    failed: failure(input, committed.moved),
    recover: recovery(place),
    later: programs.later,
    marks,
  };
}

const joinedNetwork = ({ linux }: Config) => linux.namespaces.filter((n) => n.type === "network" && n.path);

const rootOf = (directory: string) => `${directory}/root`;
const bindsOf = (directory: string) => `${directory}/binds`;

/** Where criu finds what the mount of that number in the config binds. */
export const bindPlace = (directory: string, mount: number) => `${bindsOf(directory)}/${mount}`;

const pidFileOf = (directory: string) => `${directory}/restored`;

/** criu wants a mount point of its own for the root. What is mounted here is so in criu's mount namespace only. */
function makePlaces(directory: string): Op {
  const paths = [rootOf(directory), bindsOf(directory)];
  const told = {
    call: "mkdirat",
    object: paths.join(" "),
    why: "Where criu finds the root file system, and what is bound.",
    sh: `mkdir ${paths.map(quote).join(" ")}`,
  };
  return onHost(
    told,
    paths.map((path) => sys("mkdirat", [AT_FDCWD, path, 0o700])),
  );
}

/** criu ends when it has done its work; what it made then is the stage's, to be waited for. */
function adopt(): Op {
  const told = {
    call: "prctl",
    object: "PR_SET_CHILD_SUBREAPER",
    why: "The restored process, whose parent criu ends, becomes a child of this one.",
  };
  return onHost(told, [sys("prctl", [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0])]);
}

/** In the container's groups, so that all of it ends with them whatever becomes of criu. */
function startCriu(groups: Groups, body: readonly Section[], input: RestoreInput): { op: Op } {
  const flags = BigInt(CLONE_FILES | CLONE_NEWNS) | (groups.into ? CLONE_INTO_CGROUP : 0n);
  const child: Clone = { do: "clone", args: cloneArgs(flags, SIGCHLD, groups.into), body };
  const status = out(8);
  const told = {
    call: "clone3",
    object: "criu restore",
    why: "criu makes the processes with their memory, files and namespaces, and ends.",
    sh: [input.restore.criu.program, ...restoreArguments(input)].map(quote).join(" "),
    undo: { call: "write", object: "1 to cgroup.kill", sh: groups.killSh, does: groups.kill },
  };
  const wait = sys("wait4", [child, status, WALL, 0]);
  return { op: onHost(told, [child, wait, expect({ load: status, at: 0, width: 4 }, 0xffffffffn, 0n, "ECHILD")]) };
}

function rootPlace({ config, bundle, directory }: RestoreInput, facts: HostFacts): Op[] {
  const root = cloneMount(config.root.path, { recursive: true });
  const place = sys("openat", [AT_FDCWD, rootOf(directory), O_PATH | O_CLOEXEC]);
  const told = {
    call: "move_mount",
    object: `${config.root.path} on ${rootOf(directory)}`,
    why: "In criu's mount namespace only: nothing of it is left when criu has ended.",
    sh: `mount --rbind ${quote(config.root.path)} ${quote(rootOf(directory))}`,
  };
  const points = onRoot(config.mounts).map((mount): Op => {
    const source = mount.source?.startsWith("/") ? mount.source : `${bundle.directory}/${mount.source}`;
    const isDirectory = sys("openat", [AT_FDCWD, source, O_PATH | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
    const at =
      mount.type === "bind"
        ? openOrMake(root, mount.destination, facts.arch, isDirectory)
        : openOrMakeDirectory(root, mount.destination, facts.arch);
    const point = {
      call: "openat2",
      object: mount.destination,
      why: "criu makes mounts, not the places that they are on.",
      sh: `mkdir -p $ROOT${quote(mount.destination)}`,
    };
    return inside(point, [...at.does, sys("close", [at.fd])]);
  });
  const readonly = config.root.readonly ? [readOnlyRoot(root)] : [];
  return [inside(told, [root, place, attach(root, place)]), ...points, ...readonly];
}

/**
 * What is bound, with the flags that the bundle says: criu, which binds it again, leaves a mount's flags as they are where it takes
 * it for a second one of the same.
 */
function placeBinds({ config, bundle, directory }: RestoreInput, facts: HostFacts): { outside: Op[]; inside: Op[] } {
  const outside: Op[] = [];
  const within: Op[] = [];
  const base = newFilesystem("tmpfs", "tmpfs", [["mode", "700"]], 0);
  for (const [i, mount] of config.mounts.entries()) {
    if (mount.type !== "bind") continue;
    const { tree, op, isDirectory } = bundleBind(mount, bundle, facts.arch);
    const at = openOrMake(base.mount, `${i}`, facts.arch, isDirectory);
    const told = {
      call: "move_mount",
      object: `${op.object} on ${bindPlace(directory, i)}`,
      why: `criu finds it there, for ${mount.destination}.`,
      sh: `mount --move $MOUNTS/${i} ${quote(bindPlace(directory, i))}`,
    };
    outside.push(op);
    within.push(inside(told, [...at.does, attach(tree, at.fd)]));
  }
  if (outside.length === 0) return { outside, inside: within };
  const place = sys("openat", [AT_FDCWD, bindsOf(directory), O_PATH | O_CLOEXEC]);
  const told = {
    call: "mount",
    object: `tmpfs on ${bindsOf(directory)}`,
    why: "For places to mount on; it goes with criu's mount namespace.",
    sh: `mount -t tmpfs tmpfs ${quote(bindsOf(directory))}`,
  };
  return { outside, inside: [inside(told, [...base.does, place, attach(base.mount, place)]), ...within] };
}

/** The same for the host's nodes, at the paths that criu finds them at. */
function coverNodes(nodes: readonly Node[]): Op {
  const told = {
    call: "move_mount",
    object: `/dev/{${nodes.map(({ name }) => name).join()}}, read-only`,
    why: "In criu's mount namespace: the restored container cannot change the host's nodes either.",
    sh: `for n in ${nodes.map(({ name }) => name).join(" ")}; do mount -o bind,ro /dev/$n /dev/$n; done`,
  };
  return inside(
    told,
    nodes.flatMap(({ name, mount }) => {
      const place = sys("openat", [AT_FDCWD, `/dev/${name}`, O_PATH | O_CLOEXEC]);
      return [place, attach(mount, place)];
    }),
  );
}

/** Those that do not lie on another one: what is on a tmpfs is in criu's images. */
function onRoot(mounts: readonly Mount[]): Mount[] {
  const paths = mounts.map(({ destination }) => split(destination));
  const below = (path: readonly string[], other: readonly string[]) =>
    other.length < path.length && other.every((name, i) => path[i] === name);
  return mounts.filter((_, i) => !paths.some((other) => below(paths[i] ?? [], other)));
}

function becomeCriu(input: RestoreInput, procfs: Instruction, joined: Instruction | undefined): Op[] {
  const { config, restore } = input;
  const { criu } = restore;
  const made = hasNewNamespace(config, "network") ? ownNetwork(config, procfs) : undefined;
  const network = joined ?? made?.network;
  const ignored = restore.manner.groups === "ignore" && hasNamespace(config, "cgroup");
  const alone = {
    call: "close_range",
    object: "descriptors of its own",
    why: "criu gets the standard streams, the network namespace, /dev/null, and nothing of the stage's.",
  };
  const none = sys("openat", [AT_FDCWD, "/dev/null", O_RDWR]);
  // criu before 4.1 does not restore it; from here on all have it (prctl(2)).
  const bound = {
    call: "prctl",
    object: "PR_SET_NO_NEW_PRIVS",
    why: "As the container had it: set-user-ID programs do not help its processes.",
    sh: "setpriv --no-new-privs",
  };
  const told = {
    call: "execve",
    object: "criu",
    why: "With signals and file modes as they are for any program.",
    sh: [criu.program, ...restoreArguments(input)].map(quote).join(" "),
  };
  return [
    ...(made?.ops ?? []),
    ...(ignored ? [cgroupNamespace()] : []),
    inside(alone, [
      sys("close_range", [3, 0xffffffff, CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC]),
      ...(network ? [sys("dup3", [network, NETWORK, 0])] : []),
      ...(restore.files.nulls.length > 0 ? [none, sys("dup3", [none, NULL, 0]), sys("close", [none])] : []),
    ]),
    ...(config.process.noNewPrivileges ? [inside(bound, [sys("prctl", [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0])])] : []),
    inside(told, [
      sys("rt_sigprocmask", [SIG_SETMASK, bytes(new Uint8Array(8)), 0, 8]),
      sys("umask", [0o022]),
      sys("execve", [criu.program, strings([criu.program, ...restoreArguments(input)]), strings(criu.env)]),
    ]),
  ];
}

/** With a loopback device that is up, for criu to restore sockets in. */
function ownNetwork(config: Config, procfs: Instruction): { ops: Op[]; network: Instruction } {
  const home = sys("openat", [procfs, "self/ns/net", O_CLOEXEC]);
  const network = sys("openat", [procfs, "self/ns/net", O_CLOEXEC]);
  const make = {
    call: "unshare",
    object: "the network namespace",
    why: "Made here and handed to criu, as a new container's is.",
    sh: "unshare --net",
  };
  const back = {
    call: "setns",
    object: "the host's network namespace",
    why: "criu itself stays outside, and is handed the new one.",
  };
  const ops = [
    inside(make, [home, sys("unshare", [CLONE_NEWNET])]),
    loopbackUp(),
    ...setNetworkSysctls(config.linux.sysctl ?? {}, procfs),
    inside(back, [network, sys("setns", [home, CLONE_NEWNET])]),
  ];
  return { ops, network };
}

export function restoreArguments(input: RestoreInput): string[] {
  const { config, directory, restore } = input;
  const network = hasNamespace(config, "network") ? [`fd[${NETWORK}]:${NETWORK_KEY}`] : [];
  const { streams, nulls } = restore.files;
  const files = [
    ...streams.flatMap((key, fd) => (key === null ? [] : [`fd[${fd}]:${key}`])),
    ...nulls.map((key) => `fd[${NULL}]:${key}`),
  ];
  const joins = (["ipc", "uts"] as const).flatMap((type) => {
    const path = joinedNamespace(config, type);
    return path === undefined ? [] : ["--join-ns", `${type}:${path}`];
  });
  return [
    ...["restore", "--restore-detached", "--evasive-devices", "--root", rootOf(directory)],
    ...["--pidfile", pidFileOf(directory), "--cgroup-root", config.linux.cgroupsPath],
    ...criuFlags(restore.criu, restore.places, RESTORE_LOG, restore.manner),
    ...joins,
    ...[...network, ...files].flatMap((text) => ["--inherit-fd", text]),
    ...(restore.profile === undefined ? [] : ["--lsm-profile", restore.profile]),
    ...(restore.mountContext === undefined ? [] : ["--lsm-mount-context", restore.mountContext]),
    ...restore.external.flatMap(([name, source]) => externalMount(name, source)),
  ];
}

/** What criu has made, by the pid that it has written down. */
function takeOver({ directory }: RestoreInput): { op: Op; pid: Instruction; pidfd: Instruction; told: PidText } {
  const path = pidFileOf(directory);
  const file = sys("openat", [AT_FDCWD, path, O_CLOEXEC]);
  const digits = out(16);
  const length = sys("read", [file, digits, digits.size - 1]);
  const pid = expect({ load: digits, at: 0, width: DIGITS }, 0n, 0n, "EIO");
  const pidfd = sys("pidfd_open", [pid, 0]);
  const told = {
    call: "pidfd_open",
    object: "the restored process",
    why: "criu has written its pid; from here on it is known as any container's first process is.",
    sh: `PID=$(cat ${quote(path)})`,
  };
  const gone = [sys("unlinkat", [AT_FDCWD, path, 0]), sys("unlinkat", [AT_FDCWD, rootOf(directory), AT_REMOVEDIR])];
  const op = onHost(told, [file, length, sys("close", [file]), ...gone, pid, pidfd]);
  return { op, pid, pidfd, told: { op, digits, length } };
}
