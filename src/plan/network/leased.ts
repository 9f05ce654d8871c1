/** What a DHCP server has said, set in the container's network namespace by a process in there. */
import { broadcastIn, ipBytes, subnetParts } from "../../linux/ip.ts";
import { getLink } from "../../linux/netlink.ts";
import { addAddress, defaultRoute, deleteAddress, deleteDefaultRoute, type Present } from "../../linux/routes.ts";
import type { DhcpLease } from "../../spec/dhcplease.ts";
import { alt, sys } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import type { Endpoint } from "./endpoint.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";

const whole = ({ address, subnet }: Placed) => `${address}/${subnetParts(subnet).prefix}`;
type Placed = Pick<DhcpLease, "address" | "subnet">;

/**
 * The default route: "ours" goes this way, "free" does if there is none, "others" never; but where it has gone by the gateway that was told of
 * until now it follows that.
 */
export type LeasedWay = "ours" | "free" | "others";

/** @param before what it had until now */
export function setLease({ name }: Endpoint, lease: DhcpLease, before: DhcpLease | undefined, way: LeasedWay): Op[] {
  const { address, subnet } = lease;
  const gateway = way === "others" ? undefined : lease.gateway;
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
    withLink(told, name, (socket, index) => {
      const placed = () => [
        ...(moved ? removal(socket, index, moved) : []),
        ...acknowledged(
          socket,
          filled(addAddress(ipBytes(address), prefix, broadcastIn(subnet)), { index }),
          ["EINVAL", "EACCES", "EPERM"],
          ["EEXIST"],
        ),
      ];
      const led = (by: string | undefined, present: Present) =>
        by === undefined ? [] : route(socket, index, by, present);
      const plain = [...placed(), ...led(gateway, way === "ours" ? "replaced" : "kept")];
      if (way === "ours" || before?.gateway === undefined) return plain;
      const gone = filled(deleteDefaultRoute(ipBytes(before.gateway)), { index });
      const followed = [...acknowledged(socket, gone, ["ESRCH"]), ...placed(), ...led(lease.gateway, "replaced")];
      return [alt(followed, plain, ["ESRCH"])];
    }),
  ];
}

function route(socket: Instruction, index: Instruction, gateway: string, present: Present): Instruction[] {
  const message = filled(defaultRoute(ipBytes(gateway), present), { index });
  return acknowledged(socket, message, ["EINVAL", "ENETUNREACH"], present === "kept" ? ["EEXIST"] : []);
}

/** Where the default route goes if it went by an address that is taken away. */
export function nextWay({ name, gateway }: { readonly name: string; readonly gateway: string }): Op[] {
  const told = {
    call: "sendto",
    object: `RTM_NEWROUTE default via ${gateway} dev ${name}`,
    why: "What is for others goes by a network of the engine, if nothing else leads out.",
    sh: `ip route add default via ${gateway} dev ${name}`,
  };
  return [withLink(told, name, (socket, index) => route(socket, index, gateway, "kept"))];
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
