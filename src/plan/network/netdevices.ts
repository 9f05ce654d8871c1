/** linux.netDevices: network devices of the host that are moved into the container's network namespace, with their addresses. */
import { MSG_DONTWAIT } from "../../linux/constants.ts";
import type { Errno } from "../../linux/errno.ts";
import { ADDRESS_INDEX_AT, type Address, getAddresses, getLink, moveLink, newAddress } from "../../linux/netlink.ts";
import { alt, awaits, bytes, expect, out, sys, unless } from "../instructions.ts";
import type { Child } from "../namespaces.ts";
import { inside, onHost } from "../op.ts";
import type { Instruction, Op, Out } from "../plan.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";

/** A device as it was found. */
export interface NetDevice {
  readonly name: string;
  readonly index: number;
  /** Its name in the container; with "%d" in it, the kernel numbers it. */
  readonly inside: string;
  readonly addresses: readonly Address[];
}

/** How many parts of the host's list of addresses are read. */
const PARTS = 16;

/** What it takes to know devices: for each name its index (0 if there is none), and the answers with all addresses. */
export function readDevices(names: readonly string[]): {
  op: Op;
  indexes: ReadonlyMap<string, Instruction>;
  parts: readonly { readonly bytes: Out; readonly length: Instruction }[];
} {
  const socket = routeSocket();
  const indexes = new Map<string, Instruction>();
  const does: Instruction[] = [socket];
  for (const name of names) {
    const { asked, answer } = ask(socket, getLink(name));
    const index = indexIn(answer);
    does.push(...asked, alt([isLink(answer), index], [expect({ load: answer, at: 0, width: 4 }, 0n, 0n, "EIO")]));
    indexes.set(name, index);
  }
  const question = getAddresses();
  does.push(sys("sendto", [socket, bytes(question), question.length, 0, 0, 0]));
  const parts = Array.from({ length: PARTS }, () => {
    const part = out(32768);
    const length = sys("recvfrom", [socket, part, part.size, MSG_DONTWAIT, 0, 0], { ok: ["EAGAIN"] });
    return { bytes: part, length };
  });
  does.push(...parts.map(({ length }) => length), sys("close", [socket]));
  const told = { call: "recvfrom", object: `links ${names.join(", ")}`, why: "Which they are, and their addresses." };
  return { op: onHost(told, does), indexes, parts };
}

/** Before the container's process goes on they are there; it gives them their addresses back. */
export function moveDevices(
  devices: readonly NetDevice[],
  child: Child,
  stage: Instruction,
): { outside: Op[]; inside: Op[] } {
  const free = namesFree(devices);
  const moved = devices.map((device) => move(device, child));
  const last = moved.at(-1)?.does.at(-1);
  const first = moved[0];
  if (!first || !last) return { outside: [], inside: [] };
  const ready = free.does.at(-1);
  const outside = [
    { ...first, does: [...(ready ? [awaits(ready, child.pidfd)] : []), ...first.does] },
    ...moved.slice(1),
  ];
  return { outside, inside: [free, arrive(devices, last, stage)] };
}

/** Else one would be moved, and then found to have no name there. */
function namesFree(devices: readonly NetDevice[]): Op {
  const socket = routeSocket();
  const names = devices.map(({ inside }) => inside).filter((name) => !name.includes("%d"));
  const told = {
    call: "recvfrom",
    object: `no link ${names.join(", ")}`,
    why: "Two devices of one name cannot be in a network namespace: known before one is moved.",
  };
  const looks = names.flatMap((name) => {
    const { asked, answer } = ask(socket, getLink(name));
    return [...asked, unless(["EIO"], [isLink(answer), expect(socket, 0n, 1n, "EEXIST")])];
  });
  return inside(told, [socket, ...looks, sys("close", [socket])]);
}

function move(device: NetDevice, child: Child): Op {
  const { name, index, inside } = device;
  const message = filled(moveLink(index, inside === name ? undefined : inside), { pid: child.pid });
  const socket = routeSocket();
  const told = {
    call: "sendto",
    object: `RTM_NEWLINK ${name} into the container${inside === name ? "" : ` as ${inside}`}, up`,
    why: "Asked for: the device leaves the host for as long as the container's network namespace is there.",
    sh: `ip link set dev ${name} name ${inside} netns $PID up`,
  };
  return onHost(told, [socket, ...acknowledged(socket, message, REFUSALS), sys("close", [socket])]);
}

function arrive(devices: readonly NetDevice[], moved: Instruction, stage: Instruction): Op {
  const socket = routeSocket();
  const told = {
    call: "sendto",
    object: `RTM_NEWADDR ${devices.map(({ inside, addresses }) => `${inside} (${addresses.length})`).join(", ")}`,
    why: "A device loses its addresses when it is moved; the permanent ones of global scope are given to it again.",
  };
  const does = devices.flatMap((device) => {
    if (device.addresses.length === 0) return [];
    const { asked, answer } = ask(socket, getLink(device.inside));
    const index = indexIn(answer);
    // A name that the kernel has made is not known: such a device has kept its number.
    const found = device.inside.includes("%d") ? [] : [...asked, isLink(answer), index];
    return [
      ...found,
      ...device.addresses.flatMap((address) => {
        const message = newAddress(address);
        if (found.length === 0) new DataView(message.buffer).setUint32(ADDRESS_INDEX_AT, device.index, true);
        const links = [{ at: ADDRESS_INDEX_AT, put: "value", of: index, width: 4 }] as const;
        return acknowledged(socket, bytes(message, found.length > 0 ? links : []), ["EINVAL", "EACCES"]);
      }),
    ];
  });
  return inside(told, [awaits(moved, stage), socket, ...does, sys("close", [socket])]);
}

/** What the kernel says when it does not move a device. */
const REFUSALS: readonly Errno[] = ["EEXIST", "EINVAL", "EPERM", "EBUSY", "ENODEV"];
