/** What a DHCP server has said, set in the container's network namespace by a process in there. */
import { broadcastIn, ipBytes, subnetParts } from "../linux/ip.ts";
import { getLink } from "../linux/netlink.ts";
import { addAddress, defaultRoute, deleteAddress } from "../linux/routes.ts";
import type { DhcpLease } from "../spec/dhcplease.ts";
import type { Endpoint } from "./endpoint.ts";
import { sys } from "./instructions.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

const whole = ({ address, subnet }: Placed) => `${address}/${subnetParts(subnet).prefix}`;
type Placed = Pick<DhcpLease, "address" | "subnet">;

/** @param before what it had until now */
export function setLease({ name, dhcp }: Endpoint, lease: DhcpLease, before: DhcpLease | undefined): Op[] {
  const { address, subnet } = lease;
  const gateway = dhcp?.way ? lease.gateway : undefined;
  const moved = before && whole(before) !== whole(lease) ? before : undefined;
  const told = {
    call: "sendto",
    object: `RTM_NEWADDR ${whole(lease)}`,
    why: "What the DHCP server has given, by its client's hook.",
    sh: [
      ...(moved ? [`ip addr del ${whole(moved)} dev ${name}`] : []),
      `ip addr add ${whole(lease)} brd + dev ${name}`,
      ...(gateway === undefined ? [] : [`ip route replace default via ${gateway}`]),
    ].join("\n"),
  };
  const { prefix } = subnetParts(subnet);
  return [
    withLink(told, name, (socket, index) => [
      ...(moved ? removal(socket, index, moved) : []),
      ...acknowledged(
        socket,
        filled(addAddress(ipBytes(address), prefix, broadcastIn(subnet)), { index }),
        ["EINVAL", "EACCES", "EPERM"],
        ["EEXIST"],
      ),
      ...(gateway === undefined
        ? []
        : acknowledged(socket, filled(defaultRoute(ipBytes(gateway), "replaced"), { index }), [
            "EINVAL",
            "ENETUNREACH",
          ])),
    ]),
  ];
}

/** The address is no more the container's. */
export function takeLease({ name }: Endpoint, lease: DhcpLease): Op[] {
  const told = {
    call: "sendto",
    object: `RTM_DELADDR ${whole(lease)}`,
    why: "The DHCP server may give it to another now.",
    sh: `ip addr del ${whole(lease)} dev ${name}`,
  };
  return [withLink(told, name, (socket, index) => removal(socket, index, lease))];
}

function removal(socket: Instruction, index: Instruction, lease: DhcpLease): Instruction[] {
  const { address, subnet } = lease;
  const message = filled(deleteAddress(ipBytes(address), subnetParts(subnet).prefix), { index });
  return acknowledged(socket, message, ["EINVAL"], ["EADDRNOTAVAIL"]);
}

function withLink(
  told: Parameters<typeof onHost>[0],
  name: string,
  does: (socket: Instruction, index: Instruction) => Instruction[],
): Op {
  const socket = routeSocket();
  const { asked, answer } = ask(socket, getLink(name));
  const index = indexIn(answer);
  return onHost(told, [socket, ...asked, isLink(answer), index, ...does(socket, index), sys("close", [socket])]);
}
