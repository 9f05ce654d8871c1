/**
 * The overlay for Linux before 6.13, whose overlayfs knows its layers by path only and refuses detached mounts: a
 * process with a mount namespace of its own attaches them there under short names, overlays them, and ends. What it hands
 * over is one detached mount, as src/plan/rootfs.ts makes it elsewhere; its namespace is gone with it.
 */
import {
  AT_FDCWD,
  CLONE_FILES,
  CLONE_NEWNS,
  MOUNT_ATTR_NODEV,
  MOVE_MOUNT_F_EMPTY_PATH,
  MS_NODEV,
  O_CLOEXEC,
  O_PATH,
  PR_SET_PDEATHSIG,
  SIGCHLD,
  SIGKILL,
  WALL,
} from "../linux/constants.ts";
import { attach, cloneMount, newFilesystem, setAttributes } from "./filesystem.ts";
import { awaits, sys } from "./instructions.ts";
import { cloneArgs, dieWithParent, privateMounts } from "./namespaces.ts";
import { mounting, onHost } from "./op.ts";
import type { Clone, Instruction, Op } from "./plan.ts";
import { asOwner, type IdRange, layerSh, overlayTold, type RootMount, type RootSource, scratchSh } from "./rootfs.ts";

/** Of the writable directory, and of the overlay; layers have numbers. All options together have to fit into a page. */
const WRITABLE = "rw";
const OVERLAY = "root";

/** @param stage its own pidfd */
export function overlayByName(
  source: RootSource & { kind: "overlay" },
  ids: IdRange | undefined,
  stage: Instruction,
): RootMount {
  const place = namedPlace();
  const layers = source.layers.map((path, i) =>
    named(place.mount, path, String(i), "A layer of the image, read only.", ids, layerSh(path, i, ids)),
  );
  const why = "What the container writes goes here; ids on disk start at 0.";
  const scratch =
    source.scratch === undefined ? [] : [named(place.mount, source.scratch, WRITABLE, why, ids, scratchSh(ids))];
  const overlay = mountOverlay(place.mount, source, ids);
  const ops = [dieWithParent(stage, mounting), privateMounts(mounting), place.op, ...layers, ...scratch, overlay.op];
  const mounter: Clone = {
    do: "clone",
    args: cloneArgs(BigInt(CLONE_FILES | CLONE_NEWNS), SIGCHLD, undefined),
    body: [{ phase: "Root file system", ops }],
  };
  const pidfd = sys("pidfd_open", [mounter, 0]);
  const told = {
    call: "clone3",
    object: "a process that mounts the layers, in its own mount namespace",
    why: "Overlayfs before Linux 6.13 takes layers by path only; these paths are seen by nobody else, and end with it.",
  };
  const taken = {
    call: "wait4",
    object: "the process that mounts the layers",
    why: "The overlay is there, as a descriptor; the namespace in which its layers had names is gone.",
  };
  return {
    ops: [
      onHost(told, [mounter, pidfd]),
      onHost(taken, [awaits(overlay.mount, pidfd), sys("wait4", [mounter, 0, WALL, 0])]),
    ],
    mount: overlay.mount,
  };
}

/** Laid over /: any directory serves, `/` is there on every host, and this process goes by descriptor. */
function namedPlace(): { op: Op; mount: Instruction } {
  const { does, mount } = newFilesystem("tmpfs", "tmpfs", [["mode", "755"]], MOUNT_ATTR_NODEV);
  const here = sys("openat", [AT_FDCWD, "/", O_PATH | O_CLOEXEC]);
  const told = {
    call: "move_mount",
    object: "a tmpfs, to give layers names in",
    why: "A page holds the names of all layers only if they are short.",
  };
  return { op: mounting(told, [...does, here, attach(mount, here), sys("close", [here])]), mount };
}

function named(place: Instruction, path: string, name: string, why: string, ids: IdRange | undefined, sh: string): Op {
  const mount = cloneMount(path);
  const map = ids ? [setAttributes(mount, { idmap: ids.user })] : [];
  const told = {
    call: "open_tree",
    object: path,
    why: ids ? `${why} Id-mapped: nothing is chowned.` : why,
    sh,
  };
  return mounting(told, [
    mount,
    ...map,
    sys("mkdirat", [place, name, 0o755]),
    sys("move_mount", [mount, "", place, name, MOVE_MOUNT_F_EMPTY_PATH]),
    sys("close", [mount]),
  ]);
}

function mountOverlay(
  place: Instruction,
  source: RootSource & { kind: "overlay" },
  ids: IdRange | undefined,
): { op: Op; mount: Instruction } {
  const lower = source.layers.map((_, i) => i).join(":");
  const upper = source.scratch === undefined ? "" : `,upperdir=${WRITABLE}/upper,workdir=${WRITABLE}/work`;
  const options = `lowerdir=${lower}${upper}${source.throwAway ? ",volatile" : ""}`;
  const owner = ids ? asOwner(ids) : { before: [], after: [] };
  const mount = cloneMount(OVERLAY);
  const does = [
    sys("mkdirat", [place, OVERLAY, 0o755]),
    sys("fchdir", [place]),
    ...owner.before,
    ...(ids ? [sys("prctl", [PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0])] : []), // the change of ids has cleared it
    sys("mount", ["overlay", OVERLAY, "overlay", MS_NODEV, options]),
    ...owner.after,
    mount,
  ];
  return { op: mounting(overlayTold(source), does), mount };
}
