/** Talking to the kernel by netlink: sockets, questions, and what is acknowledged. */
import { AF_NETLINK, SOCK_RAW_CLOEXEC } from "../../linux/constants.ts";
import type { Errno } from "../../linux/errno.ts";
import { ERRNO } from "../../linux/errno.ts";
import { ACK_ERROR_AT, LINK_INDEX_AT, RTM_NEWLINK } from "../../linux/netlink.ts";
import { MESSAGE_TYPE_AT, type Message, NLMSG_ERROR } from "../../linux/netlinkmessage.ts";
import { bytes, expect, out, sys, unless } from "../instructions.ts";
import type { Data, Instruction, Out } from "../plan.ts";

const NETLINK_NETFILTER = 12;

export const routeSocket = () => sys("socket", [AF_NETLINK, SOCK_RAW_CLOEXEC, 0]);
export const netfilterSocket = () => sys("socket", [AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER]);

/** @param fills results that go into the holes of that name */
export function filled({ bytes: value, holes }: Message, fills: Readonly<Record<string, Instruction>>): Data {
  return bytes(
    value,
    holes.map(({ name, at }) => {
      const of = fills[name];
      if (!of) throw new Error(`nothing for ${name}`);
      return { at, put: "value", of, width: 4 } as const;
    }),
  );
}

/** The beginning of the answer is kept: so much as is looked at. */
export function ask(socket: Instruction, question: Uint8Array | Data): { asked: Instruction[]; answer: Out } {
  const answer = out(64);
  const data = question instanceof Uint8Array ? bytes(question) : question;
  const sent = sys("sendto", [socket, data, data.bytes.length, 0, 0, 0]);
  return { asked: [sent, sys("recvfrom", [socket, answer, answer.size, 0, 0, 0])], answer };
}

export const isAnswer = (answer: Out, type: number, errno: Errno = "EIO") =>
  expect({ load: answer, at: MESSAGE_TYPE_AT, width: 2 }, 0xffffn, BigInt(type), errno);

export const isLink = (answer: Out) => isAnswer(answer, RTM_NEWLINK);

/** Its result is the index. */
export const indexIn = (answer: Out) => expect({ load: answer, at: LINK_INDEX_AT, width: 4 }, 0n, 0n, "EIO");

/** @param told errnos that it fails by; any other one is EIO @param ok those that are no failure */
export function acknowledged(
  socket: Instruction,
  message: Data,
  told: readonly Errno[],
  ok: readonly Errno[] = [],
): Instruction[] {
  return [sys("sendto", [socket, message, message.bytes.length, 0, 0, 0]), ...acknowledgement(socket, told, ok)];
}

/** Of a further message that was sent along. */
export function acknowledgement(socket: Instruction, told: readonly Errno[], ok: readonly Errno[] = []): Instruction[] {
  const answer = out(64);
  const error = (errno: number, otherwise: Errno) =>
    expect({ load: answer, at: ACK_ERROR_AT, width: 4 }, 0xffffffffn, BigInt(2 ** 32 - errno) & 0xffffffffn, otherwise);
  const refused = told.map((errno) => unless(["EIO"], [error(ERRNO[errno], "EIO"), expect(socket, 0n, 1n, errno)]));
  const fine = ok.reduce<Instruction>(
    (others, errno) => ({ do: "alt", first: [error(ERRNO[errno], "EIO")], other: [others], on: ["EIO"] }),
    error(0, "EIO"),
  );
  return [
    sys("recvfrom", [socket, answer, answer.size, 0, 0, 0]),
    expect({ load: answer, at: MESSAGE_TYPE_AT, width: 2 }, 0xffffn, BigInt(NLMSG_ERROR), "EIO"),
    ...refused,
    fine,
  ];
}
