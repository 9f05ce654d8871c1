/** A bridge network on the host: the firewall first, then a bridge with the gateway's addresses, which is up last. */
import { AT_FDCWD, F_OFD_SETLKW, O_CLOEXEC, O_CREAT, O_RDWR, O_WRONLY } from "../../linux/constants.ts";
import { broadcastIn, ipBytes, macFor, macText, subnetParts } from "../../linux/ip.ts";
import { newBridge, setUp } from "../../linux/links.ts";
import { getLink } from "../../linux/netlink.ts";
import { addAddress } from "../../linux/routes.ts";
import { alt, expect, sys, text, unless } from "../instructions.ts";
import { lockOf } from "../life.ts";
import { onHost, quote } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import { type Closed, type Guarded, networkScript, tableScript } from "./firewall.ts";
import { removeLink } from "./linkremoval.ts";
import { acknowledged, ask, filled, indexIn, isLink, routeSocket } from "./netlink.ts";

export interface BridgeNetwork extends Guarded {
  readonly name: string;
  readonly id: string;
  readonly mtu?: number | undefined;
}

export interface BridgeHost {
  /** Name of the firewall's table. */
  readonly table: string;
  /** Path of nft(8). */
  readonly nft: string;
  /** See tableScript. */
  readonly closed: Closed;
  /** Devices of the host that take its routes from router advertisements, which the kernel heeds no more when it forwards. */
  readonly advertised: readonly string[];
  readonly ipv6: boolean;
}

/**
 * @param others that are up: the firewall may have lost them too
 * @param lock a file: of two who do this at once one waits
 */
export function planBridge(network: BridgeNetwork, host: BridgeHost, others: readonly Guarded[], lock: string): Op[] {
  const { device, v4, v6, mtu } = network;
  const addresses = [v4, ...(v6 && host.ipv6 ? [v6] : [])];
  const socket = routeSocket();
  const mac = macFor(v4.gateway);
  const alias = `vitrine ${network.id}`;
  const size = mtu === undefined ? "" : ` mtu ${mtu}`;
  const made = newBridge(device, mac, mtu);
  const found = ask(socket, getLink(device));
  const index = indexIn(found.answer);
  const bridge = {
    call: "sendto",
    object: `RTM_NEWLINK ${device}, a bridge`,
    why: "A switch made of software: each container is a port of it, and the host is another one.",
    sh: `${isThere(device)} || ip link add ${device} address ${macText(mac)}${size} type bridge`,
  };
  const up = {
    call: "sendto",
    object: `RTM_NEWLINK ${device} up`,
    why: "Up last: whoever finds it so finds all the rest.",
    sh: `ip link set ${device} up alias ${quote(alias)}`,
  };
  return [
    onHost(bridge, [
      socket,
      ...acknowledged(socket, filled(made, {}), ["EEXIST", "EINVAL", "EPERM", "EOPNOTSUPP"], ["EEXIST"]),
      ...found.asked,
      isLink(found.answer),
      index,
    ]),
    ...addresses.map(({ gateway, subnet }) => addGateway(socket, index, gateway, subnet, device)),
    ...forwarding(network, host),
    onHost(up, [...acknowledged(socket, filled(setUp(alias), { index }), ["EPERM"]), sys("close", [socket])]),
  ].toSpliced(0, 0, ...setUpFirewall([network, ...others], host, lock));
}

/** Of a device, for a shell. */
export const isThere = (device: string) => `ip link show dev ${device} > /dev/null 2>&1`;

function addGateway(socket: Instruction, index: Instruction, gateway: string, subnet: string, device: string): Op {
  const { prefix } = subnetParts(subnet);
  const message = filled(addAddress(ipBytes(gateway), prefix, broadcastIn(subnet)), { index });
  const told = {
    call: "sendto",
    object: `RTM_NEWADDR ${gateway}/${prefix} to ${device}`,
    why: "The host's own address there, by which containers reach what is outside.",
    sh: `ip addr replace ${gateway}/${prefix}${gateway.includes(":") ? " nodad" : " brd +"} dev ${device}`,
  };
  return onHost(told, acknowledged(socket, message, ["EACCES", "EINVAL"], ["EEXIST"]));
}

function setUpFirewall(networks: readonly Guarded[], { table, nft, closed }: BridgeHost, lock: string): Op[] {
  const told = {
    call: "execve",
    object: `nft: table inet ${table}, with ${networks.map(({ device }) => device).join(", ")}`,
    why: "What leaves gets the host's address; nothing comes in but what is published; networks do not reach each other.",
  };
  const script = tableScript(table, closed) + networks.map((one) => networkScript(table, one, "add")).join("");
  return [alone(lock), runNft(nft, script, told)];
}

function alone(lock: string): Op {
  const file = sys("openat", [AT_FDCWD, lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600]);
  const told = {
    call: "fcntl",
    object: `lock of ${lock}`,
    why: "Of several commands that set networks up or take them down, one does at a time.",
    script: `alone ${quote(lock)}`,
  };
  return onHost(told, [file, sys("fcntl", [file, F_OFD_SETLKW, lockOf("write")])]);
}

/** Lines for a shell: no here-document, whose end has to stand where a line begins. */
export function printed(text: string): string {
  const lines = text.split("\n").filter((line) => line !== "");
  return ["printf '%s\\n'", ...lines.map((line) => `  ${quote(line)}`)].join(" \\\n");
}

export function runNft(nft: string, script: string, told: { call: string; object: string; why: string }): Op {
  const program = {
    do: "spawn",
    path: nft,
    argv: ["nft", "-f", "-"],
    env: [],
    stdin: text(script),
    timeoutMs: 60_000,
  } as const;
  const sh = `${printed(script)} | nft -f -`;
  return onHost({ ...told, sh }, [program, expect(program, 0xffffffffffffffffn, 0n, "ECHILD")]);
}

function forwarding({ device, v6 }: BridgeNetwork, { ipv6, advertised }: BridgeHost): Op[] {
  const routed = "The host hands on what comes from containers and what is for them.";
  const local = "A port that is published on 127.0.0.1 leads to a bridge; the firewall drops what others send there.";
  const heed =
    "A host that forwards heeds advertisements of routers no more, unless it is told to: it keeps its own routes.";
  const own = "The host takes no route and no address from containers.";
  return [
    write("net/ipv4/ip_forward", "1", routed),
    write(`net/ipv4/conf/${device}/route_localnet`, "1", local),
    ...(ipv6 ? [write(`net/ipv6/conf/${device}/accept_ra`, "0", own)] : []),
    ...(v6 && ipv6
      ? [
          ...advertised.map((name) => write(`net/ipv6/conf/${name}/accept_ra`, "2", heed)),
          write("net/ipv6/conf/all/forwarding", "1", routed),
        ]
      : []),
  ];
}

/** Of the host: by its own /proc. */
function write(name: string, value: string, why: string): Op {
  const file = sys("openat", [AT_FDCWD, `/proc/sys/${name}`, O_WRONLY | O_CLOEXEC]);
  const told = { call: "write", object: `${value} to /proc/sys/${name}`, why, sh: `echo ${value} > /proc/sys/${name}` };
  return onHost(told, [file, sys("write", [file, value, value.length]), sys("close", [file])]);
}

/**
 * Each step can be done again, and as long as there is the table there may be more to do: it comes last.
 * @param others bridge networks of this root; one that has the same device keeps it
 * @param passed takes back what lets the bridge through other firewalls
 */
export function planBridgeDown(
  network: Guarded,
  host: Pick<BridgeHost, "table" | "nft" | "closed">,
  lock: string,
  others: readonly Guarded[],
  passed: readonly Op[],
): Op[] {
  const { device } = network;
  const link = removeLink(device, "First the bridge: without it nobody takes the network for whole.");
  const shared = others.some((other) => other.device === device);
  return [alone(lock), ...(shared ? [] : [link, ...passed]), clearFirewall(network, host, others)];
}

/** Whether another network needs the table is looked at now that nobody sets one up. */
function clearFirewall(
  network: Guarded,
  { table, nft, closed }: Pick<BridgeHost, "table" | "nft" | "closed">,
  others: readonly Guarded[],
): Op {
  const told = {
    call: "execve",
    object: `nft: ${network.device} out of table inet ${table}`,
    why: "Nothing of the network is left in the firewall; with the last one the table goes.",
  };
  const all = runNft(nft, `add table inet ${table}\ndelete table inet ${table}\n`, told);
  const script = tableScript(table, closed) + networkScript(table, network, "delete", others);
  const part = runNft(nft, script, told);
  if (others.length === 0) return all;
  const socket = routeSocket();
  const isDown = ({ device }: Guarded) => {
    const { asked, answer } = ask(socket, getLink(device));
    return [...asked, unless(["EIO"], [isLink(answer), expect(socket, 0n, 1n, "EEXIST")])];
  };
  return {
    ...part,
    does: [socket, alt([...others.flatMap(isDown), ...all.does], part.does, ["EEXIST"]), sys("close", [socket])],
  };
}
