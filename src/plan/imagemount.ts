/** An image's file system on the host, read only: for looking at, and for packing a container's. */
import {
  AT_FDCWD,
  MNT_DETACH,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_RDONLY,
  MS_PRIVATE,
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
} from "../linux/constants.ts";
import type { HostFacts } from "../linux/facts.ts";
import { attach, setAttributes } from "./filesystem.ts";
import { sys } from "./instructions.ts";
import { overlayByName } from "./layersbyname.ts";
import { ownPidfd } from "./namespaces.ts";
import { onHost, quote } from "./op.ts";
import type { Op } from "./plan.ts";
import { planRoot, type RootMount } from "./rootfs.ts";

/**
 * Layers as one tree, attached nowhere.
 * @param layers topmost first
 * @param empty an empty directory: overlayfs takes two layers or more
 */
export function planLayers(layers: readonly string[], empty: string, facts: HostFacts): RootMount {
  const source = { kind: "overlay", layers: [...layers, empty], throwAway: false } as const;
  if (facts.overlayByFd) return planRoot(source, facts, undefined);
  const self = ownPidfd();
  const { ops, mount } = overlayByName(source, undefined, self.pidfd);
  return { ops: [self.op, ...ops], mount };
}

/** Puts that tree on a directory that is there. */
export function planImageMount(layers: readonly string[], empty: string, target: string, facts: HostFacts): Op[] {
  const { ops, mount } = planLayers(layers, empty, facts);
  const set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
  const here = sys("openat", [AT_FDCWD, target, O_PATH | O_DIRECTORY(facts.arch) | O_CLOEXEC]);
  const put = attach(mount, here);
  const told = {
    call: "move_mount",
    object: target,
    why: "For everybody on the host to look at; not to be written, and nothing in it gives rights.",
    sh: `mount --move $MOUNTS/root ${quote(target)} && mount -o remount,bind,ro,nosuid,nodev ${quote(target)}`,
    undo: { of: put, ...unmountTold(target), does: [unmount(target)] },
  };
  return [...ops, onHost(told, [setAttributes(mount, { set, propagation: MS_PRIVATE }), here, put])];
}

/** @param force also while somebody looks at it: it goes when the last one stops */
export function planImageUnmount(target: string, force: boolean): Op {
  return onHost({ ...unmountTold(target), why: "Nobody needs the image's files any more." }, [unmount(target, force)]);
}

function unmountTold(target: string) {
  return { call: "umount2", object: target, sh: `umount ${quote(target)}` };
}

function unmount(target: string, force = false) {
  return sys("umount2", [target, force ? MNT_DETACH : 0], { ok: ["EINVAL", "ENOENT"] });
}
