import { AF_NETLINK, SOCK_RAW_CLOEXEC } from "../../linux/constants.ts";
import { ACK_ERROR_AT, LOOPBACK_INDEX, linkUp } from "../../linux/netlink.ts";
import { bytes, expect, out, sys } from "../instructions.ts";
import { inside } from "../op.ts";
import type { Op } from "../plan.ts";

/** A new network namespace has only `lo`, and that is down (ARTICLE A5). */
export function loopbackUp(): Op {
  const message = linkUp(LOOPBACK_INDEX);
  const answer = out(64);
  const socket = sys("socket", [AF_NETLINK, SOCK_RAW_CLOEXEC, 0]);
  const told = {
    call: "sendto",
    object: "RTM_NEWLINK lo up",
    why: "The new network namespace has only a loopback device, and that is down.",
    sh: "ip link set lo up",
  };
  return inside(told, [
    socket,
    sys("sendto", [socket, bytes(message), message.length, 0, 0, 0]),
    sys("recvfrom", [socket, answer, answer.size, 0, 0, 0]),
    expect({ load: answer, at: ACK_ERROR_AT, width: 4 }, 0xffffffffn, 0n, "EIO"),
    sys("close", [socket]),
  ]);
}
