/** A device of the host's is taken out of a container's network namespace, and gets its names and settings back. */
import { AT_FDCWD, CLONE_NEWNET, MSG_DONTWAIT, O_CLOEXEC, O_RDONLY } from "../../linux/constants.ts";
import type { LinkInfo } from "../../linux/linkinfo.ts";
import { dropNames, renameFound, renameLink, resetLink, sendLink, setDown, setUp } from "../../linux/links.ts";
import { getLink, getLinks } from "../../linux/netlink.ts";
import type { Message } from "../../linux/netlinkmessage.ts";
import { alt, bytes, out, sys } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Instruction, Op, Out } from "../plan.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";

/** Why the kernel does not move or rename a device. */
const REFUSALS = ["EEXIST", "EINVAL", "EPERM", "EBUSY", "ENODEV"] as const;

const PART = 32_768;

/** All devices in the network namespace of that name. @param most parts of the list that are read */
export function readLinksIn(
  file: string,
  most: number,
): { op: Op; parts: readonly { readonly bytes: Out; readonly length: Instruction }[] } {
  const { enter, socket, leave } = within(file);
  const question = getLinks();
  const parts = Array.from({ length: most }, () => {
    const part = out(PART);
    return { bytes: part, length: sys("recvfrom", [socket, part, PART, MSG_DONTWAIT, 0, 0], { ok: ["EAGAIN"] }) };
  });
  const told = {
    call: "recvfrom",
    object: `links in ${file}`,
    why: "Which of them is the host's: not by its name, which the container may have given to another.",
  };
  const asked = sys("sendto", [socket, bytes(question), question.length, 0, 0, 0]);
  return { op: onHost(told, [...enter, asked, ...parts.map(({ length }) => length), ...leave]), parts };
}

/** It comes to the host under a name that nobody has. */
export function sendHome(file: string, { index, name, alternatives }: LinkInfo, between: string): Op {
  const { enter, home, socket, leave } = within(file);
  const said = (message: Message, fills = {}) => acknowledged(socket, filled(message, fills), REFUSALS);
  const told = {
    call: "sendto",
    object: `RTM_NEWLINK ${name} out of the container as ${between}`,
    why: "Other names of it could be those of devices of the host's, with which it would not be let in.",
  };
  return onHost(told, [
    ...enter,
    ...(alternatives.length > 0 ? [alt(said(dropNames(index, alternatives)), [])] : []),
    ...said(setDown(index)),
    ...said(renameLink(index, between)),
    ...said(sendLink(index), { namespace: home }),
    ...leave,
  ]);
}

/** It is called as it was, or else as it was inside, and is as it was. */
export function settle(between: string, names: readonly string[], up: boolean, mac: Uint8Array, mtu: number): Op {
  const socket = routeSocket();
  const { asked, answer } = ask(socket, getLink(between));
  const index = indexIn(answer);
  const said = (message: Message) => acknowledged(socket, filled(message, { index }), REFUSALS);
  const renamed = names.reduceRight<Instruction[]>((others, name) => [alt(said(renameFound(name)), others)], []);
  const told = { call: "sendto", object: `RTM_NEWLINK ${between} as ${names.join(" or ")}`, why: "The host's again." };
  return onHost(told, [
    socket,
    ...asked,
    isLink(answer),
    index,
    alt(said(resetLink(mac, mtu)), []),
    ...renamed,
    ...(up ? said(setUp()) : []),
    sys("close", [socket]),
  ]);
}

function within(file: string) {
  const home = sys("openat", [AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC]);
  const there = sys("openat", [AT_FDCWD, file, O_RDONLY | O_CLOEXEC]);
  const socket = routeSocket();
  const enter = [home, there, sys("setns", [there, CLONE_NEWNET]), socket, sys("setns", [home, CLONE_NEWNET])];
  const leave = [socket, there, home].map((one) => sys("close", [one]));
  return { home, socket, enter, leave };
}
