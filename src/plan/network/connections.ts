/**
 * Connections that the kernel follows stay where they once led, as long as packets come: those that led to a container that has ended would lead to
 * whoever has its address next, and who sent to a port while nobody had it would never come to a container that has it now.
 */

import {
  CONNECTION,
  type Connection,
  forgetConnection,
  getConnections,
  getUdpToChosen,
  PORT,
  type Which,
} from "../../linux/conntrack.ts";
import { MSG_DONTWAIT } from "../../linux/constants.ts";
import { ipBytes } from "../../linux/ip.ts";
import { together } from "../../linux/netlinkmessage.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { alt, bytes, out, sys, text } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Data, Instruction, Op, Out } from "../plan.ts";
import type { Endpoint, NetworkProgram } from "./endpoint.ts";
import { ask, filled, isAnswer, netfilterSocket } from "./netlink.ts";

/** What ports lead to has ended. Mostly nobody has been there, and one question tells so; else the program forgets them. */
export function forgetAnswers({ v4, v6 }: Pick<Endpoint, "v4" | "v6">, program: NetworkProgram) {
  const addresses = [v4, v6].flatMap((one) => (one ? [one.address] : []));
  return {
    does: addresses.flatMap((address) =>
      forget(getConnections({ answeredBy: ipBytes(address) }), program, [ANSWERED_BY + address]),
    ),
    sh: addresses
      .map((address) => `conntrack${address.includes(":") ? " -f ipv6" : ""} -D -r ${address} > /dev/null 2>&1 || :`)
      .join("\n"),
  };
}

/** Numbers that the kernel chooses when the plan is carried out. */
export interface ChosenPorts {
  /** One for each port, if it is such a one: its bytes in network order. */
  readonly numbers: readonly (Instruction | undefined)[];
  /** Directory of the run, whose journal tells them. */
  readonly run: string;
}

/** What a shell calls a port that the kernel chooses. */
export const numberOf = (i: number) => `PORT${i + 1}`;

/** Who sends by UDP all the while has to come to the container all the same. TCP begins anew by itself. */
export function forgetOthers(ports: readonly PublishedPort[], program: NetworkProgram, chosen?: ChosenPorts): Op[] {
  const parts = ports.flatMap(({ protocol, host, hostPort }, i) => {
    const of = chosen?.numbers[i];
    if (protocol !== "udp" || (hostPort === 0 && !of)) return [];
    return [{ family: host.includes(":") ? 6 : 4, port: hostPort, of, shPort: hostPort || `$${numberOf(i)}` } as const];
  });
  if (parts.length === 0) return [];
  const told = {
    call: "sendto",
    object: `IPCTNL_MSG_CT_GET, UDP to ${parts.map(({ port }) => (port === 0 ? "the port that is chosen" : port)).join(", ")}`,
    why: "Whoever has sent to the port before goes on being led elsewhere as long as he sends: that is forgotten, if there is one.",
    sh: parts
      .map(
        ({ family, shPort }) =>
          `conntrack${family === 6 ? " -f ipv6" : ""} -D -p udp --orig-port-dst ${shPort} > /dev/null 2>&1 || :`,
      )
      .join("\n"),
  };
  const said = ([4, 6] as const).flatMap((family) => {
    const numbers = [...new Set(parts.flatMap((one) => (one.family === family && !one.of ? [one.port] : [])))];
    if (numbers.length === 0) return [];
    const port = numbers.length === 1 ? numbers[0] : undefined;
    const words = [`${family === 6 ? UDP6 : UDP4}${numbers.join(",")}`];
    return forget(getConnections({ udp: true, family, port }), program, words);
  });
  const later = parts.flatMap(({ family, of }) =>
    of ? forget(filled(getUdpToChosen(family), { [PORT]: of }), program, [`${CHOSEN}${chosen?.run}`]) : [],
  );
  return [onHost(told, [...said, ...later])];
}

const ANSWERED_BY = "answers:";
const UDP4 = "udp4:";
const UDP6 = "udp6:";
const CHOSEN = "chosen:";

/** Words for `vitrine network forget`, as they stand in a plan. @param chosenBy ports of the run in that directory */
export function whichIn(words: readonly string[], chosenBy: (run: string) => readonly PublishedPort[]): Which[] {
  return words.flatMap((word): Which[] => {
    if (word.startsWith(CHOSEN))
      return chosenBy(word.slice(CHOSEN.length)).flatMap(({ protocol, host, hostPort }) =>
        protocol === "udp" ? [{ udp: true, family: host.includes(":") ? 6 : 4, port: hostPort }] : [],
      );
    if (word.startsWith(ANSWERED_BY)) return [{ answeredBy: ipBytes(word.slice(ANSWERED_BY.length)) }];
    const family = word.startsWith(UDP4) ? 4 : word.startsWith(UDP6) ? 6 : undefined;
    if (family === undefined) throw new Error(`"${word}" tells of no connections`);
    const ports = word.slice(UDP4.length).split(",").map(Number);
    return ports.map((port) => ({ udp: true, family, port }));
  });
}

/** Where the kernel does not follow connections there are none; nothing fails for them. */
function forget(
  question: Uint8Array | Data,
  { program, arguments: words, env }: NetworkProgram,
  told: readonly string[],
): Instruction[] {
  const socket = netfilterSocket();
  const { asked, answer } = ask(socket, question);
  const argv = [program, ...words, "network", "forget", ...told];
  return [
    alt(
      [
        socket,
        ...asked,
        sys("close", [socket]),
        isAnswer(answer, CONNECTION),
        { do: "spawn", path: program, argv, env, stdin: text(""), timeoutMs: 60_000 },
      ],
      [],
    ),
  ];
}

export interface Answers {
  readonly op: Op;
  readonly parts: readonly { readonly bytes: Out; readonly length: Instruction }[];
}

/** How much of an answer is read at once: the kernel's parts of one are no larger. */
const PART = 32768;

/** So many of those that are so, as `parts` parts of the answer hold. */
export function readConnections(which: Which, parts: number): Answers {
  const socket = netfilterSocket();
  const question = getConnections(which);
  const asked = sys("sendto", [socket, bytes(question), question.length, 0, 0, 0]);
  const read = Array.from({ length: parts }, () => {
    const part = out(PART);
    const length = sys("recvfrom", [socket, part, part.size, MSG_DONTWAIT, 0, 0], { ok: ["EAGAIN"] });
    return { bytes: part, length };
  });
  const told = { call: "recvfrom", object: "IPCTNL_MSG_CT_GET", why: "Which connections the kernel follows there." };
  return {
    op: onHost(told, [socket, asked, ...read.map(({ length }) => length), sys("close", [socket])]),
    parts: read,
  };
}

/** So many fit into one message to the kernel. */
const AT_ONCE = 256;

/** One that is gone by itself is no failure: nobody waits for answers. */
export function forgetConnections(connections: readonly Connection[]): Op {
  const socket = netfilterSocket();
  const groups = Array.from({ length: Math.ceil(connections.length / AT_ONCE) }, (_, i) =>
    together(connections.slice(i * AT_ONCE, (i + 1) * AT_ONCE).map(forgetConnection)),
  );
  const sent = groups.map((group) => sys("sendto", [socket, bytes(group.bytes), group.bytes.length, 0, 0, 0]));
  const told = {
    call: "sendto",
    object: `IPCTNL_MSG_CT_DELETE of ${connections.length}`,
    why: "Their next packets are looked at as the first of new ones.",
  };
  return onHost(told, [socket, ...sent, sys("close", [socket])]);
}
