/** The root file system: layers and an upper directory, id-mapped, overlaid; or one directory as it is. */
import {
  AT_FDCWD,
  F_OFD_SETLK,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  O_RDWR,
  PR_SET_SECUREBITS,
  SECBIT_NO_SETUID_FIXUP,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { attach, cloneMount, newFilesystem, type Parameter, setAttributes } from "./filesystem.ts";
import { awaits, expect, out, sys, unless } from "./instructions.ts";
import { lockOf } from "./life.ts";
import { inside, onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** Where a container's root file system comes from. */
export type RootSource =
  | {
      readonly kind: "overlay";
      /** Directories, topmost first; never written to. */
      readonly layers: readonly string[];
      /** A directory of the container's own; gets "upper" and "work". Without one the overlay is read-only, and has two layers or more. */
      readonly scratch?: string | undefined;
      /** What is written is thrown away at the end: nothing needs to reach the disk. */
      readonly throwAway: boolean;
    }
  | {
      readonly kind: "directory";
      readonly path: string;
      /** As it is: ids are not mapped, and device nodes work, as far as rules allow. */
      readonly asItIs?: boolean;
      /** Mounts of the host below it arrive in the container. */
      readonly follows?: boolean;
    };

/** Ids as the container sees them: descriptor of its user namespace and the host's id of its root. */
export interface IdRange {
  readonly user: Instruction;
  readonly rootUid: number;
  readonly rootGid: number;
}

export interface RootMount {
  readonly ops: readonly Op[];
  /** Its result is the descriptor of the root's mount, attached nowhere. */
  readonly mount: Instruction;
}

export function planRoot(source: RootSource, facts: HostFacts, ids: IdRange | undefined): RootMount {
  if (source.kind === "overlay") return overlay(source, facts, ids);
  const mount = cloneMount(source.path, { recursive: true });
  if (source.asItIs) {
    const propagation = source.follows ? MS_SLAVE : MS_PRIVATE;
    const told = {
      call: "open_tree",
      object: source.path,
      why: "The root file system of the bundle; what the container writes stays in it.",
      sh: `mount --rbind ${quote(source.path)} $MOUNTS/root`,
    };
    return { ops: [onHost(told, [mount, setAttributes(mount, { propagation, recursive: true })])], mount };
  }
  const told = {
    call: "open_tree",
    object: source.path,
    why: "The directory itself is the root file system; what the container writes stays in it.",
    sh: `mount --rbind -o ${ids ? "X-mount.idmap=/proc/$PID/ns/user," : ""}nodev ${quote(source.path)} $MOUNTS/root`,
  };
  const set = setAttributes(mount, { set: MOUNT_ATTR_NODEV, idmap: ids?.user, propagation: MS_PRIVATE });
  return { ops: [onHost(told, [mount, set])], mount };
}

function overlay(source: RootSource & { kind: "overlay" }, facts: HostFacts, ids: IdRange | undefined): RootMount {
  const ops: Op[] = [];
  const layers = source.layers.map((path, i) => {
    const layer = cloneMount(path);
    ops.push(tree(path, "A layer of the image, read only.", layer, ids, layerSh(path, i, ids)));
    return layer;
  });
  const parameters: Parameter[] = layers.map((fd) => ["lowerdir+", fd]);
  if (source.scratch !== undefined) {
    const scratch = cloneMount(source.scratch);
    const flags = O_PATH | O_DIRECTORY(facts.arch) | O_CLOEXEC;
    const upper = sys("openat", [scratch, "upper", flags]);
    const work = sys("openat", [scratch, "work", flags]);
    const why = "What the container writes goes here; ids on disk start at 0.";
    ops.push(tree(source.scratch, why, scratch, ids, scratchSh(ids), [upper, work]));
    parameters.push(["upperdir", upper], ["workdir", work]);
  }
  if (source.throwAway) parameters.push(["volatile"]);
  const made = newFilesystem("overlay", "overlay", parameters, MOUNT_ATTR_NODEV, ids ? asOwner(ids) : undefined);
  ops.push(onHost(overlayTold(source), made.does));
  return { ops, mount: made.mount };
}

export function layerSh(path: string, i: number, ids: IdRange | undefined): string {
  return `mount --bind ${ids ? "-o X-mount.idmap=/proc/$PID/ns/user " : ""}${quote(path)} $MOUNTS/layer${i}`;
}

export function overlayTold(source: RootSource & { kind: "overlay" }) {
  const { layers, scratch } = source;
  const call = "mount";
  const sh = overlaySh(source);
  if (scratch === undefined) {
    const why = "Layer upon layer, as a container would see them; nothing can be written.";
    return { call, object: `overlay of ${layers.join(":")}`, why, sh };
  }
  const why = "Layers below, a writable directory on top: the image stays as it is, however often it is used.";
  return { call, object: `overlay of ${layers.join(":")} and ${scratch}/upper`, why, sh };
}

function overlaySh({ layers, scratch, throwAway }: RootSource & { kind: "overlay" }): string {
  const lower = layers.map((_, i) => `$MOUNTS/layer${i}`).join(":");
  const upper = scratch === undefined ? "" : ",upperdir=$SCRATCH/upper,workdir=$SCRATCH/work";
  const options = `lowerdir=${lower}${upper}${throwAway ? ",volatile" : ""}`;
  return `mount -t overlay -o nodev,${options} overlay $MOUNTS/root`;
}

// mount(8) has no file system ids to make an overlay with an id-mapped upper directory; so there the ids on disk are the range's.
export function scratchSh(ids: IdRange | undefined): string {
  return ids ? `chown ${ids.rootUid}:${ids.rootGid} $SCRATCH/upper $SCRATCH/work` : "test -d $SCRATCH/upper";
}

function tree(
  path: string,
  why: string,
  mount: Instruction,
  ids: IdRange | undefined,
  sh: string,
  then: Instruction[] = [],
): Op {
  const map = ids ? [setAttributes(mount, { idmap: ids.user })] : [];
  const told = {
    call: "open_tree",
    object: path,
    why: ids ? `${why} Id-mapped: nothing is chowned.` : why,
    sh,
  };
  return onHost(told, [mount, ...map, ...then]);
}

/**
 * An id-mapped upper directory with host root as the mounter gives, silently, a read-only overlay: overlayfs takes the
 * mounter's credentials, and host root has no id in there. So the mount is made with the file system ids of the range's root.
 */
export function asOwner(ids: IdRange): { before: Instruction[]; after: Instruction[] } {
  return {
    before: [
      sys("prctl", [PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0]),
      sys("setfsgid", [ids.rootGid]),
      sys("setfsuid", [ids.rootUid]),
    ],
    after: [sys("setfsuid", [0]), sys("setfsgid", [0])],
  };
}

/**
 * Attaches the root in the container's own mount namespace. Any directory serves: `/` is there on every host.
 * @param place where it is to be instead
 */
export function attachRoot(mount: Instruction, made: Instruction, parent: Instruction, place?: Instruction): Op {
  const here = sys("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC]);
  const told = {
    call: "move_mount",
    object: place ? "the root file system" : "the root file system onto /",
    why: "Only in this mount namespace: the host sees nothing of it, and it goes when the namespace goes.",
    sh: "mount --move $MOUNTS/root $ROOT",
  };
  return inside(told, [awaits(made, parent), ...(place ? [attach(mount, place)] : [here, attach(mount, here)])]);
}

/** pivot_root(2) with "." twice: the old root lies over the new one, and is then detached. */
export function pivotRoot(root: Instruction): Op {
  const told = {
    call: "pivot_root",
    object: ". .",
    why: "Unlike chroot this changes the root of the namespace itself: the old one is not hidden, it is gone.",
    sh: "nsenter -t $PID -m sh -c 'cd $ROOT && pivot_root . .'\nnsenter -t $PID -m umount -l /",
  };
  return inside(told, [
    sys("fchdir", [root]),
    sys("pivot_root", [".", "."]),
    sys("umount2", [".", MNT_DETACH]),
    sys("chdir", ["/"]),
  ]);
}

/** pivot_root(2) takes no shared root: what is asked for comes after it. */
export function spreadRoot(root: Instruction, propagation: "shared" | "unbindable"): Op {
  const told = {
    call: "mount_setattr",
    object: `/ ${propagation}`,
    why: "Asked for: how mounts spread from the root file system.",
    sh: `mount --make-${propagation} $ROOT`,
  };
  return inside(told, [setAttributes(root, { propagation: propagation === "shared" ? MS_SHARED : MS_UNBINDABLE })]);
}

export function readOnlyRoot(root: Instruction): Op {
  const told = {
    call: "mount_setattr",
    object: "/ read-only",
    why: "Asked for: nothing can be written to the root file system.",
    sh: "mount -o remount,bind,ro,nodev $ROOT",
  };
  return inside(told, [setAttributes(root, { set: MOUNT_ATTR_RDONLY })]);
}

/** Claims a name for good or, with `release`, for the length of the run. */
export function claimName(file: string, id: string, release: boolean): Op {
  const name = file.slice(file.lastIndexOf("/") + 1);
  const above = sys("mkdirat", [AT_FDCWD, file.slice(0, file.lastIndexOf("/")), 0o700], { ok: ["EEXIST"] });
  const link = sys("symlinkat", [id, AT_FDCWD, file]);
  // A kill may fall between the refusal of a name and its record: only a link to our id is ours to remove.
  const owner = out(64);
  const prefix = new DataView(new TextEncoder().encode(id).buffer).getBigUint64(0, true);
  const mine = [
    sys("readlinkat", [AT_FDCWD, file, owner, owner.size]),
    expect({ load: owner, at: 0, width: 8 }, 0xffffffffffffffffn, prefix, "ESTALE"),
    sys("unlinkat", [AT_FDCWD, file, 0]),
  ];
  const undo = {
    of: link,
    call: "unlinkat",
    object: file,
    sh: `rm -f ${quote(file)}`,
    does: [unless(["ENOENT", "ESTALE"], mine)],
  };
  const told = {
    call: "symlinkat",
    object: `the name ${name}`,
    why: "A link to the id, made whole or not at all, and only by one: the name is taken, or it is ours.",
    sh: `mkdir -p ${quote(file.slice(0, file.lastIndexOf("/")))} && ln -s ${id} ${quote(file)}`,
  };
  return onHost(release ? { ...told, undo } : told, [above, link]);
}

/** The lock of a container's own file. @throws EAGAIN while another run of it holds it: of two starts at once one wins */
export function lockContainer(directory: string): { op: Op; lock: Instruction } {
  const lock = sys("openat", [AT_FDCWD, `${directory}/lock`, O_RDWR | O_CLOEXEC]);
  const told = {
    call: "fcntl",
    object: `lock of ${directory}/lock`,
    why: "One run of this container at a time. The kernel lets go of the lock with the process that holds it.",
  };
  return { op: onHost(told, [lock, sys("fcntl", [lock, F_OFD_SETLK, lockOf("write")])]), lock };
}

/** Only whoever has the lock changes what is noted. */
export function noteStart(file: string, directory: string): Op {
  const record = `${directory}/container.json`;
  const told = {
    call: "renameat2",
    object: record,
    why: "From here on the container is noted as running: if this run fails, or is killed, what was there before is put back.",
    sh: `mv ${quote(file)} ${quote(record)}`,
  };
  return onHost(told, [sys("renameat2", [AT_FDCWD, file, AT_FDCWD, record, 0])]);
}

/** The container's directory as scratch, with "upper" and "work"; made and removed here if `throwAway`, else it is there and stays. */
export function makeScratch(source: RootSource, directory: string, throwAway: boolean): Op[] {
  if (source.kind !== "overlay" || source.scratch === undefined) return [];
  const paths = [...(throwAway ? [directory] : []), `${source.scratch}/upper`, `${source.scratch}/work`];
  const make = paths.map((path) => {
    const mode = path.endsWith("/upper") || path.endsWith("/work") ? 0o755 : 0o700;
    return sys("mkdirat", [AT_FDCWD, path, mode], throwAway ? {} : { ok: ["EEXIST"] });
  });
  const above = sys("mkdirat", [AT_FDCWD, directory.slice(0, directory.lastIndexOf("/")), 0o700], { ok: ["EEXIST"] });
  const undo = {
    of: make[0] as Instruction,
    call: "unlinkat",
    object: directory,
    sh: "rm -rf $SCRATCH",
    does: [{ do: "walk", mode: "remove", dir: AT_FDCWD, path: directory, ok: ["ENOENT"] } as const],
  };
  const told = {
    call: "mkdirat",
    object: source.scratch,
    why: "Room for what the container writes.",
    sh: "mkdir -p $SCRATCH/upper $SCRATCH/work",
  };
  return [throwAway ? onHost({ ...told, undo }, [above, ...make]) : onHost(told, make)];
}
