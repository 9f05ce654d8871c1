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
} from "../../linux/constants.ts";
import { takeLink } from "../../linux/links.ts";
import { getLink } from "../../linux/netlink.ts";
import { alt, awaits, bytes, expect, out, sys, text, unless, withPid } from "../instructions.ts";
import type { Child } from "../namespaces.ts";
import { inside, onHost, quote } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import type { Endpoint, NetworkProgram } from "./endpoint.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";

/** Why the kernel does not move a device. */
const REFUSALS = ["EEXIST", "EINVAL", "EPERM", "EBUSY", "ENODEV"] as const;

/**
 * A name for the container's network namespace, in the run's directory: it is there until the devices have been taken out of it, also
 * when every process of the run was killed. Else the kernel would destroy those that are not hardware.
 */
export function nameNamespace(
  file: string,
  devices: readonly Pick<Endpoint, "name" | "bridge">[],
  child: Child,
  procfs: Instruction,
): Op {
  const place = sys("openat", [AT_FDCWD, file, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600]);
  const tree = sys("open_tree", [procfs, withPid("", child.pid, "/ns/net"), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC]);
  const told = {
    call: "move_mount",
    object: `the container's network namespace on ${file}`,
    why: "As long as it has a name it outlives its processes, and the host's device in it can be taken back.",
    sh: `touch ${quote(file)} && mount --bind /proc/$PID/ns/net ${quote(file)}`,
    script: ": > $WORK/netns\ncommand mount --bind /proc/$PID/ns/net $WORK/netns",
    undo: {
      of: place,
      call: "umount2",
      object: file,
      sh: `umount -l ${quote(file)}; rm -f ${quote(file)}`,
      script: `unname ${devices.map(({ bridge }) => bridge).join(" ")}`,
      does: [
        ...devices.map(({ name }) => isHome(noteFile(file, name))),
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

/** What the kernel told of the device when it had come to the container: there until it is home, or is known to be lost. */
const noteFile = (namespaceFile: string, name: string) =>
  `${namespaceFile.slice(0, namespaceFile.lastIndexOf("/"))}/link-${name}`;

/** Else its namespace keeps its name, and the next command looks once more. */
function isHome(note: string): Instruction {
  const there = sys("faccessat", [AT_FDCWD, note, 0]);
  return unless(["ENOENT"], [there, expect(there, 1n, 1n, "EBUSY")]);
}

/** @param file the name of the container's network namespace */
export function moveInterface(
  { bridge: device, name, wasUp, id }: Endpoint,
  index: Instruction,
  child: Child,
  file: string,
  { program, arguments: words, env }: NetworkProgram,
): Op {
  const socket = routeSocket();
  const moved = acknowledged(socket, filled(takeLink(name, true, "pid"), { index, namespace: child.pid }), REFUSALS);
  const note = noteFile(file, name);
  const argv = [program, ...words, "network", "takeback", file, note, device, name, wasUp ? "up" : "down", id];
  const back = { do: "spawn", path: program, argv, env, stdin: text(""), timeoutMs: 60_000 } as const;
  const told = {
    call: "sendto",
    object: `RTM_NEWLINK ${device} into the container${name === device ? "" : ` as ${name}`}`,
    why: "Asked for: the device leaves the host for as long as the container runs.",
    sh: `ip link set dev ${device} name ${name} netns $PID up`,
    script: `lend ${device} ${name}`,
    undo: {
      of: moved[0] as Instruction,
      call: "sendto",
      object: `RTM_NEWLINK ${name} out of the container${name === device ? "" : ` as ${device}`}`,
      sh: `nsenter --net=${quote(file)} ip link set dev ${name} name ${device} netns $$`,
      script: `take_home ${device} ${name} ${wasUp ? "up" : "down"}`,
      does: [
        // Without a note nothing of the container has run.
        alt(
          [isHome(note), ...takeBack(device, name, wasUp === true, file)],
          [back, expect(back, 0xffffffffffffffffn, 0n, "EBUSY")],
          ["EBUSY"],
        ),
        sys("unlinkat", [AT_FDCWD, note, 0], { ok: ["ENOENT"] }),
      ],
    },
  };
  return onHost(told, [socket, ...moved, sys("close", [socket])]);
}

/** Bytes of an answer, statistics and all. */
const WHOLE = 8192;

/** The container's process asks, before it is the container's; the stage writes it down. */
export function noteInterface({ name }: Endpoint, file: string, child: Child): { look: Op; note: Op } {
  const socket = routeSocket();
  const question = getLink(name);
  const answer = out(WHOLE);
  const length = sys("recvfrom", [socket, answer, answer.size, 0, 0, 0]);
  const sent = sys("sendto", [socket, bytes(question), question.length, 0, 0, 0]);
  const looked = isLink(answer);
  const look = {
    call: "sendto",
    object: `RTM_GETLINK ${name}`,
    why: "Which device of the host it is: the container may change its names, and give them to others.",
    script: "",
  };
  const path = noteFile(file, name);
  const half = `${path}.new`;
  const written = sys("openat", [AT_FDCWD, half, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600]);
  const note = {
    call: "write",
    object: path,
    why: "By this the device is found again when the container has ended.",
    script: "",
    undo: {
      of: written,
      call: "unlinkat",
      object: half,
      does: [sys("unlinkat", [AT_FDCWD, half, 0], { ok: ["ENOENT"] })],
    },
  };
  return {
    look: inside(look, [socket, sent, length, looked, sys("close", [socket])]),
    note: onHost(note, [
      awaits(looked, child.pidfd),
      written,
      sys("write", [written, answer, length]),
      sys("close", [written]),
      sys("renameat2", [AT_FDCWD, half, AT_FDCWD, path, 0]),
    ]),
  };
}

/** By its name. */
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
