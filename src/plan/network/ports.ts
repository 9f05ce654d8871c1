/** Ports of the host that lead to a container: each is held by a socket, so that nobody else takes it, and told to the firewall. */
import { AF_UNIX, O_CLOEXEC, SOCK_STREAM_CLOEXEC } from "../../linux/constants.ts";
import type { Errno } from "../../linux/errno.ts";
import { ipBytes, plainIp } from "../../linux/ip.ts";
import { be16, hole, type Message } from "../../linux/netlinkmessage.ts";
import { addElements, deleteElement, deleteSameElement, type Element, type Part } from "../../linux/nftables.ts";
import { hostText, type PublishedPort } from "../../spec/ports.ts";
import { alt, bytes, expect, out, struct, sys, u32, unless } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Data, Instruction, Op } from "../plan.ts";
import { sendDescriptor } from "../unixsocket.ts";
import { closeDoor, doorIsOpen } from "./connected.ts";
import { forgetAnswers, numberOf } from "./connections.ts";
import { type Endpoint, holdsAddress, type NetworkEndpoint, type NetworkProgram } from "./endpoint.ts";
import { acknowledged, filled, netfilterSocket } from "./netlink.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const PROTOCOL_NUMBERS = { tcp: 6, udp: 17 } as const;

/** Names of the maps in the firewall's table: what is reached by one address of the host, and by any. */
export const PUBLISHED = { v4: "published4", v6: "published6", any4: "anywhere4", any6: "anywhere6" } as const;

export interface Reserved {
  readonly ops: readonly Op[];
  /** A descriptor in which all of the sockets are: the ports are free again when it is closed. */
  readonly held: Instruction;
  /** Of ports that the kernel chose: their bytes in network order. */
  readonly chosen: readonly (Instruction | undefined)[];
}

/**
 * Bound, and nobody listens: what is sent to the port is turned to the container before it comes here.
 * @param to where they will lead: whoever restores what the firewall had may tell it so from now on
 * @param door see connected.ts
 */
export function reservePorts(
  ports: readonly PublishedPort[],
  to: Endpoint,
  program: NetworkProgram,
  door: string,
): Reserved {
  const ends = out(8);
  const end = (at: number) => expect({ load: ends, at, width: 4 }, 0n, 0n, "EIO");
  const [into, held] = [end(0), end(4)];
  const pair = sys("socketpair", [AF_UNIX, SOCK_STREAM_CLOEXEC, 0, ends]);
  const reserved = ports.map((port, i) => reserve(port, into, i));
  const chosen = reserved.map(({ chosen }) => chosen);
  const opened = {
    call: "socketpair",
    object: "where the sockets of published ports are kept",
    why: "Sockets on their way to the other end stay open as long as that is: one descriptor for all of them.",
    script: "",
  };
  const { taken, withdrawn } = publication(ports, to, program, chosen);
  const undo = { ...taken, script: "", does: [closeDoor(door), ...withdrawn(deleteElement)] };
  const why = "Nothing more goes in; the ports are ours.";
  const closed = { call: "close", object: "this end of it", why, script: "", undo };
  return {
    ops: [onHost(opened, [pair, into, held]), ...reserved.map(({ op }) => op), onHost(closed, [sys("close", [into])])],
    held,
    chosen,
  };
}

function reserve(
  { protocol, host, hostPort }: PublishedPort,
  into: Instruction,
  i: number,
): { op: Op; chosen: Instruction | undefined } {
  const ip = ipBytes(host);
  const type = (protocol === "tcp" ? SOCK_STREAM : SOCK_DGRAM) | O_CLOEXEC;
  const socket = sys("socket", [ip.length === 4 ? AF_INET : AF_INET6, type, 0]);
  const name = socketName(ip, hostPort);
  const only = struct([u32(1)]);
  const own = out(28);
  const length = struct([u32(own.size)]);
  const chosen = hostPort === 0 ? expect({ load: own, at: 2, width: 2 }, 0n, 0n, "EIO") : undefined;
  const told = {
    call: "bind",
    object: `${protocol} port ${hostText(host, hostPort)}${hostPort === 0 ? ", any that is free" : ""}`,
    why: "Held as long as the container runs: no other program gets it, and none that has it loses what is sent to it.",
    script: `hold ${numberOf(i)} ${protocol} ${host} ${hostPort}`,
  };
  const does = [
    socket,
    ...(ip.length === 4 ? [] : [sys("setsockopt", [socket, IPPROTO_IPV6, IPV6_V6ONLY, only, 4])]),
    sys("bind", [socket, name, name.bytes.length]),
    ...(chosen ? [sys("getsockname", [socket, own, length]), chosen] : []),
    sendDescriptor(into, socket, "-"),
    sys("close", [socket]),
  ];
  return { op: onHost(told, does), chosen };
}

/** struct sockaddr_in, sockaddr_in6 */
function socketName(ip: Uint8Array, port: number) {
  if (ip.length === 4) return bytes(Uint8Array.of(AF_INET, 0, ...be16(port), ...ip, 0, 0, 0, 0, 0, 0, 0, 0));
  return bytes(Uint8Array.of(AF_INET6, 0, ...be16(port), 0, 0, 0, 0, ...ip, 0, 0, 0, 0));
}

/**
 * Tells the firewall where they lead; taken back at the end, wherever they lead then.
 * @param door is closed before: see connected.ts
 */
export function publishPorts(
  ports: readonly PublishedPort[],
  to: Endpoint,
  program: NetworkProgram,
  chosen: Reserved["chosen"],
  door: string,
): Op {
  const { told, does, due, taken, withdrawn } = publication(ports, to, program, chosen);
  const all = [closeDoor(door), ...withdrawn(deleteElement), ...forgetAnswers(to, program).does];
  const sh = [taken.sh, forgetAnswers(to, program).sh].join("\n");
  const undo = { of: due, ...taken, sh, does: all };
  return onHost({ ...told, undo }, does);
}

/**
 * The same for one that comes to a network while it runs. Taken back only as long as they lead there, and the address is nobody else's: whoever
 * has the ports next may be there already.
 */
export function publishLater(
  ports: readonly PublishedPort[],
  to: NetworkEndpoint,
  program: NetworkProgram,
  run: string,
): Op {
  const { told, does, due, taken, withdrawn } = publication(ports, to, program, []);
  const all = unlessOthers(to, run, [...withdrawn(deleteSameElement), ...forgetAnswers(to, program).does]);
  const sh = [taken.sh, forgetAnswers(to, program).sh].join("\n");
  return onHost({ ...told, undo: { of: due, ...taken, sh, does: [all] } }, does);
}

function publication(
  ports: readonly PublishedPort[],
  to: Endpoint,
  program: NetworkProgram,
  chosen: Reserved["chosen"],
  ok: readonly Errno[] = [],
) {
  const { table } = program;
  const elements = portElements(ports, to);
  const fills: Record<string, Instruction> = {};
  for (const [i, instruction] of chosen.entries()) if (instruction) fills[holeOf(i)] = instruction;
  const socket = netfilterSocket();
  const message = filled(addElements(table, elements), fills);
  const added = acknowledged(
    socket,
    message,
    TOLD.filter((errno) => !ok.includes(errno)),
    ok,
  );
  const lines = elementLines(table, ports, to);
  return {
    told: {
      call: "sendto",
      object: `NFT_MSG_NEWSETELEM ${lines.map(({ short }) => short).join(", ")}`,
      why: "What comes for these ports of the host is turned to the container; nothing else reaches it from outside.",
      sh: lines.map(({ add }) => add).join("\n"),
    },
    does: [socket, ...added, sys("close", [socket])],
    due: added[0] as Instruction,
    /** Nobody waits for the answers: they may be gone with the table. */
    withdrawn: (message: (table: string, element: Element) => Message) =>
      elements.flatMap((element) => sent(filled(message(table, element), fills))),
    taken: {
      call: "sendto",
      object: `NFT_MSG_DELSETELEM ${lines.map(({ short }) => short).join(", ")}`,
      sh: lines.map(({ remove }) => `${remove} 2> /dev/null || : gone already`).join("\n"),
    },
  };
}

/**
 * The same for a container that runs, when the firewall was emptied: what is there stays. If the end has begun meanwhile, or it has left this network,
 * that has seen nothing to take back.
 * @param door see connected.ts
 */
export function publishAgain(
  ports: readonly PublishedPort[],
  to: NetworkEndpoint,
  program: NetworkProgram,
  run: string,
  door: string,
): Op {
  const { told, does } = publication(ports, to, program, [], ["EEXIST", "EBUSY"]);
  return onHost(told, [
    ...does,
    alt(
      [doorIsOpen(door), ...holdsAddress(to.lease, run)],
      [
        alt(
          [doorIsOpen(door), ...withdrawSame(ports, to, program)],
          [unlessOthers(to, run, withdrawSame(ports, to, program))],
          ["ENOENT"],
        ),
      ],
      ["ENOENT", "ESTALE"],
    ),
  ]);
}

/** Only what leads to this address; nobody waits for the answers. */
export const withdrawSame = (
  ports: readonly PublishedPort[],
  to: Pick<Endpoint, "v4" | "v6">,
  { table }: NetworkProgram,
) => portElements(ports, to).flatMap((element) => sent(filled(deleteSameElement(table, element), {})));

function sent(data: Data): Instruction[] {
  const socket = netfilterSocket();
  return [socket, sys("sendto", [socket, data, data.bytes.length, 0, 0, 0]), sys("close", [socket])];
}

/** Nothing happens if the address is another's by now. */
const unlessOthers = ({ lease }: NetworkEndpoint, run: string, does: readonly Instruction[]): Instruction =>
  unless(["ESTALE"], [unless(["ENOENT"], holdsAddress(lease, run)), ...does]);

const TOLD = ["EEXIST", "EBUSY", "ENOENT"] as const;

const holeOf = (i: number) => `port${i}`;

/** Those of a port that the kernel chose have a hole. */
export function portElements(ports: readonly PublishedPort[], to: Pick<Endpoint, "v4" | "v6">): Element[] {
  return ports.map(({ protocol, host, hostPort, port }, i) => {
    const ip = ipBytes(host);
    const four = ip.length === 4;
    const target = four ? to.v4?.address : to.v6?.address;
    if (target === undefined) throw new Error(`${host}: the network has no address of that family`);
    const anywhere = ip.every((byte) => byte === 0);
    const where: Part[] = anywhere ? [] : [ip];
    return {
      map: anywhere ? (four ? PUBLISHED.any4 : PUBLISHED.any6) : four ? PUBLISHED.v4 : PUBLISHED.v6,
      key: [...where, Uint8Array.of(PROTOCOL_NUMBERS[protocol]), hostPort === 0 ? hole(holeOf(i), 2) : be16(hostPort)],
      data: [ipBytes(target), be16(port)],
    };
  });
}

/** The same as lines of a shell. */
export function elementLines(table: string, ports: readonly PublishedPort[], to: Endpoint) {
  return portElements(ports, to).map((element, i) => elementText(table, element.map, ports[i] as PublishedPort, to, i));
}

function elementText(
  table: string,
  map: string,
  { protocol, host, hostPort, port }: PublishedPort,
  { v4, v6 }: Endpoint,
  i: number,
) {
  const address = (host.includes(":") ? v6 : v4)?.address ?? "";
  const led = `${address === "" ? "" : plainIp(address)} . ${port}`;
  const from = `${hostText(host, hostPort)}/${protocol}`;
  const chosen = hostPort === 0;
  const key = `${/^[0.:]+$/.test(host) ? "" : `${plainIp(host)} . `}${protocol} . ${chosen ? `$${numberOf(i)}` : hostPort}`;
  const word = (text: string) => (chosen ? `"${text}"` : `'${text}'`);
  return {
    short: `${from} to ${hostText(address, port)}`,
    add: `nft create element inet ${table} ${map} ${word(`{ ${key} : ${led} }`)}`,
    remove: `nft delete element inet ${table} ${map} ${word(`{ ${key} }`)}`,
  };
}
