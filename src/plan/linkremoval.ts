/** Network devices of the host that nobody needs any more. */
import { AF_NETLINK, SOCK_RAW_CLOEXEC } from "../linux/constants.ts";
import { ERRNO } from "../linux/errno.ts";
import { deleteLink } from "../linux/linkremoval.ts";
import { ACK_ERROR_AT, MESSAGE_TYPE_AT, NLMSG_ERROR } from "../linux/netlink.ts";
import { bytes, expect, out, sys } from "./instructions.ts";
import { onHost, quote } from "./op.ts";
import type { Op } from "./plan.ts";

/** By its name; one that is not there is no failure. @param why what it was for */
export function removeLink(name: string, why: string): Op {
  const socket = sys("socket", [AF_NETLINK, SOCK_RAW_CLOEXEC, 0]);
  const message = deleteLink(name);
  const answer = out(64);
  const error = { load: answer, at: ACK_ERROR_AT, width: 4 } as const;
  const gone = expect(error, 0xffffffffn, BigInt(2 ** 32 - ERRNO.ENODEV), "EIO");
  const told = { call: "sendto", object: `RTM_DELLINK ${name}`, why, sh: `ip link delete ${quote(name)}` };
  return onHost(told, [
    socket,
    sys("sendto", [socket, bytes(message), message.length, 0, 0, 0]),
    sys("recvfrom", [socket, answer, answer.size, 0, 0, 0]),
    expect({ load: answer, at: MESSAGE_TYPE_AT, width: 2 }, 0xffffn, BigInt(NLMSG_ERROR), "EIO"),
    // 0 is what an acknowledgement has
    { do: "alt", first: [gone], other: [expect(error, 0xffffffffn, 0n, "EPERM")], on: ["EIO"] },
    sys("close", [socket]),
  ]);
}
