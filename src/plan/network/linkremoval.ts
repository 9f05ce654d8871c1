/** Network devices of the host that nobody needs any more. */
import { deleteLink } from "../../linux/links.ts";
import { sys } from "../instructions.ts";
import { onHost, quote } from "../op.ts";
import type { Op } from "../plan.ts";
import { acknowledged, filled, routeSocket } from "./netlink.ts";

/** By its name; one that is not there is no failure. @param why what it was for */
export function removeLink(name: string, why: string): Op {
  const socket = routeSocket();
  const told = { call: "sendto", object: `RTM_DELLINK ${name}`, why, sh: `ip link delete ${quote(name)}` };
  return onHost(told, [
    socket,
    ...acknowledged(socket, filled(deleteLink(name), {}), ["EPERM"], ["ENODEV"]),
    sys("close", [socket]),
  ]);
}
