/** Sizes of links that are not the kernel's own choice: docs/decisions/0039-large-packets.md. */
import { type LinkSizes, resizeLink } from "../../linux/links.ts";
import { sys } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import type { Endpoint } from "./endpoint.ts";
import { acknowledged, filled, routeSocket } from "./netlink.ts";

/** As ip-link(8) is told of sizes. */
export interface ShSizes {
  /** With a blank in front. */
  readonly words: string;
  /** A further line: those of IPv4 iproute2 knows since 6.3. @param by what runs ip(8) where the link is */
  ipv4(link: string, by?: string): string;
}

export function shSizes({ mtu, gsoMaxSize: most }: LinkSizes): ShSizes {
  const words = `${mtu === undefined ? "" : ` mtu ${mtu}`}${most === undefined ? "" : ` gso_max_size ${most} gro_max_size ${most}`}`;
  return {
    words,
    ipv4: (link, by = "") =>
      most === undefined
        ? ""
        : `\n${by}ip link set ${link} gso_ipv4_max_size ${most} gro_ipv4_max_size ${most} 2>/dev/null || : iproute2 before 6.3`,
  };
}

/** A bridge takes no more than its ports do, and has none when it is made. A port of the host's own may be smaller: it stays as it is. */
export function enlargeBridge({ bridge, gsoMaxSize }: Endpoint, index: Instruction | undefined): Op[] {
  if (gsoMaxSize === undefined || index === undefined) return [];
  const socket = routeSocket();
  const { words, ipv4 } = shSizes({ gsoMaxSize });
  const told = {
    call: "sendto",
    object: `RTM_NEWLINK ${bridge}, packets of ${gsoMaxSize} bytes`,
    why: "What the host sends in bulk comes in larger pieces, too: fewer of them, for the same work each.",
    sh: `ip link set ${bridge}${words} || : a smaller port${ipv4(bridge)}`,
  };
  const message = filled(resizeLink({ gsoMaxSize }), { index });
  return [onHost(told, [socket, ...acknowledged(socket, message, ["EPERM"], ["EINVAL"]), sys("close", [socket])])];
}
