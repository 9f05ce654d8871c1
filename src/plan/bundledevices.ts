/** Device nodes of a bundle: the default ones, and those of linux.devices. See config-linux.md, "Devices". */
import {
  AT_SYMLINK_NOFOLLOW,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_WRONLY,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
} from "../linux/constants.ts";
import type { Device } from "../spec/config.ts";
import { DEFAULT_NODES, fillDev, hostNodes, isNode } from "./devices.ts";
import { attach, cloneMount } from "./filesystem.ts";
import { sys, unless } from "./instructions.ts";
import type { Mounts, MountsInput } from "./mounts.ts";
import { inside, onHost } from "./op.ts";
import { openInRoot, openOrMakeDirectory, split } from "./paths.ts";
import type { Instruction, Op } from "./plan.ts";

/** When /dev is there. A /dev bound from the host has all nodes of the host, and is not changed. */
export function planDevices(context: MountsInput): Mounts {
  const { config, root, facts, ids } = context;
  if (config.mounts.some(({ type, destination }) => destination === "/dev" && type === "bind"))
    return { outside: [], inside: [] };
  const dev = openOrMakeDirectory(root, "/dev", facts.arch, true);
  const directory = sys("openat", [dev.fd, ".", O_DIRECTORY(facts.arch) | O_CLOEXEC]);
  const { op, nodes } = hostNodes();
  const told = {
    call: "openat",
    object: "/dev",
    why: "The default devices are there whether the bundle names them or not.",
  };
  const outside: Op[] = [op];
  const within: Op[] = [inside(told, [...dev.does, directory]), fillDev(root, directory, nodes, facts.arch, true)];
  const others = (config.linux.devices ?? []).filter(
    ({ path }) => !DEFAULT_NODES.includes(`/${split(path).join("/")}`),
  );
  for (const device of others) {
    const made =
      ids && device.type !== "p" ? bindNode(device, context) : { outside: [], inside: [makeNode(device, context)] };
    outside.push(...made.outside);
    within.push(...made.inside);
  }
  return { outside, inside: within };
}

const TYPE = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO } as const;

function tell({ path, type, major = 0, minor = 0 }: Device) {
  return {
    object: path,
    why: "A device of the bundle; whether it may be opened is for the rules of its control group to say.",
    sh: type === "p" ? `mkfifo $ROOT${path}` : `mknod $ROOT${path} ${type} ${major} ${minor}`,
  };
}

function parentOf(path: string): { parent: string; name: string } {
  const names = split(path);
  return { parent: `/${names.slice(0, -1).join("/")}`, name: names.at(-1) ?? "" };
}

/** The kernel's new encoding of dev_t: linux/kdev_t.h. */
const numberOf = ({ major = 0, minor = 0 }: Device) => (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);

function makeNode(device: Device, { root, facts }: MountsInput): Op {
  const { parent, name } = parentOf(device.path);
  const at = openOrMakeDirectory(root, parent, facts.arch);
  const mode = TYPE[device.type] | (device.fileMode ?? 0o666);
  const owned =
    device.uid === undefined && device.gid === undefined
      ? []
      : [sys("fchownat", [at.fd, name, device.uid ?? -1, device.gid ?? -1, AT_SYMLINK_NOFOLLOW])];
  const node = sys("mknodat", [at.fd, name, mode, numberOf(device)]);
  return inside({ call: "mknodat", ...tell(device) }, [...at.does, unless(["EEXIST"], [node, ...owned])]);
}

/** A user namespace cannot make nodes: the host's, at the same path, is bound. */
function bindNode(device: Device, { root, facts }: MountsInput): { outside: Op[]; inside: Op[] } {
  const { parent, name } = parentOf(device.path);
  const mount = cloneMount(device.path);
  const type = device.type === "b" ? S_IFBLK : S_IFCHR;
  const at = openOrMakeDirectory(root, parent, facts.arch);
  const file = sys("openat", [at.fd, name, O_CREAT | O_WRONLY | O_NOFOLLOW(facts.arch) | O_CLOEXEC, 0]);
  const target: Instruction = openInRoot(root, device.path, O_PATH | O_NOFOLLOW(facts.arch));
  const clone = {
    ...tell(device),
    call: "open_tree",
    why: "The host's node, checked by its number: a user namespace cannot make nodes of its own.",
  };
  return {
    outside: [onHost(clone, [mount, ...isNode(mount, type, device.major ?? 0, device.minor ?? 0)])],
    inside: [
      inside({ ...tell(device), call: "move_mount" }, [
        ...at.does,
        file,
        sys("close", [file]),
        target,
        attach(mount, target),
      ]),
    ],
  };
}
