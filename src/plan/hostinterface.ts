/** A device of the host itself that a container has while it runs, and that is the host's again behind it. */
import {
  AT_FDCWD,
  CLONE_NEWNET,
  MNT_DETACH,
  MOVE_MOUNT_F_EMPTY_PATH,
  O_CLOEXEC,
  O_CREAT,
  O_RDONLY,
  O_WRONLY,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../linux/constants.ts";
import { takeLink } from "../linux/links.ts";
import { getLink } from "../linux/netlink.ts";
import type { Endpoint } from "./endpoint.ts";
import { alt, sys, withPid } from "./instructions.ts";
import type { Child } from "./namespaces.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";
import { onHost, quote } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** Why the kernel does not move a device. */
const REFUSALS = ["EEXIST", "EINVAL", "EPERM", "EBUSY", "ENODEV"] as const;

/**
 * A name for the container's network namespace, in the run's directory: it is there until the devices have been taken out of it, also
 * when every process of the run was killed. Else the kernel would destroy those that are not hardware.
 */
export function nameNamespace(file: string, child: Child, procfs: Instruction): Op {
  const place = sys("openat", [AT_FDCWD, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600]);
  const tree = sys("open_tree", [procfs, withPid("", child.pid, "/ns/net"), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC]);
  const told = {
    call: "move_mount",
    object: `the container's network namespace on ${file}`,
    why: "As long as it has a name it outlives its processes, and the host's device in it can be taken back.",
    sh: `touch ${quote(file)} && mount --bind /proc/$PID/ns/net ${quote(file)}`,
    undo: {
      of: place,
      call: "umount2",
      object: file,
      sh: `umount -l ${quote(file)}; rm -f ${quote(file)}`,
      does: [
        sys("umount2", [file, MNT_DETACH], { ok: ["ENOENT", "EINVAL"] }),
        sys("unlinkat", [AT_FDCWD, file, 0], { ok: ["ENOENT"] }),
      ],
    },
  };
  return onHost(told, [
    place,
    sys("close", [place]),
    tree,
    sys("move_mount", [tree, "", AT_FDCWD, file, MOVE_MOUNT_F_EMPTY_PATH]),
    sys("close", [tree]),
  ]);
}

/** @param file the name of the container's network namespace */
export function moveInterface(
  { bridge: device, name, wasUp }: Endpoint,
  index: Instruction,
  child: Child,
  file: string,
): Op {
  const socket = routeSocket();
  const moved = acknowledged(socket, filled(takeLink(name, true, "pid"), { index, namespace: child.pid }), REFUSALS);
  const told = {
    call: "sendto",
    object: `RTM_NEWLINK ${device} into the container${name === device ? "" : ` as ${name}`}`,
    why: "Asked for: the device leaves the host for as long as the container runs.",
    sh: `ip link set dev ${device} name ${name} netns $PID up`,
    undo: {
      of: moved[0] as Instruction,
      call: "sendto",
      object: `RTM_NEWLINK ${name} out of the container${name === device ? "" : ` as ${device}`}`,
      sh: `nsenter --net=${quote(file)} ip link set dev ${name} name ${device} netns $$`,
      does: takeBack(device, name, wasUp === true, file),
    },
  };
  return onHost(told, [socket, ...moved, sys("close", [socket])]);
}

/** What the container has renamed or removed is not looked for. */
function takeBack(device: string, name: string, up: boolean, file: string): Instruction[] {
  const home = sys("openat", [AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC]);
  const there = sys("openat", [AT_FDCWD, file, O_RDONLY | O_CLOEXEC]);
  const socket = routeSocket();
  const { asked, answer } = ask(socket, getLink(name));
  const index = indexIn(answer);
  const back = (as: string) =>
    acknowledged(socket, filled(takeLink(as, up, "fd"), { index, namespace: home }), REFUSALS);
  // Another device may have taken its name meanwhile.
  const moved = name === device ? back(device) : [alt(back(device), back(name))];
  const visit = alt([...asked, isLink(answer), index, ...moved], []);
  const inside = [
    sys("setns", [there, CLONE_NEWNET]),
    socket,
    sys("setns", [home, CLONE_NEWNET]),
    visit,
    sys("close", [socket]),
  ];
  return [home, alt([there, ...inside, sys("close", [there])], []), sys("close", [home])];
}
