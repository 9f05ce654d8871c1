/** Connections that the kernel follows (nfnetlink, linux/netfilter/nfnetlink_conntrack.h): asked for by what is known of them, and forgotten one by one. */
import {
  type Attribute,
  align,
  be16,
  type Hole,
  hole,
  MESSAGE_TYPE_AT,
  type Message,
  message,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  u32,
} from "./netlinkmessage.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_STATUS = 3;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V6_SRC = 3;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_DST_PORT = 3;
const IPS_DST_NAT = 1 << 5;
const BY_SOURCE = 1 << 0;
const BY_PROTOCOL = 1 << 3;
const BY_DESTINATION_PORT = 1 << 5;
const AF_INET = 2;
const AF_INET6 = 10;
const UDP = 17;
const NLA_TYPE = 0x3fff;

/** nlmsghdr.nlmsg_type of a connection that is told. */
export const CONNECTION = NFNL_SUBSYS_CTNETLINK << 8;

/** Who answers: what was turned to a container has the container's address there. Or UDP to a port, of all or of that one. */
export type Which =
  | { readonly answeredBy: Uint8Array }
  | { readonly udp: true; readonly family: 4 | 6; readonly port?: number | undefined };

/**
 * The kernel tells of all that are so. Of others too where it cannot tell them apart: by addresses of IPv6 it looks for all that are not so
 * (seen on 6.18), and before 5.18 it does not know of states.
 */
export function getConnections(which: Which): Uint8Array {
  const told = "udp" in which ? udpFilter(which.port) : answerFilter(which.answeredBy);
  const six = "udp" in which ? which.family === 6 : which.answeredBy.length === 16;
  return message(type(IPCTNL_MSG_CT_GET), NLM_F_REQUEST | NLM_F_DUMP, head(six ? AF_INET6 : AF_INET), told).bytes;
}

/** UDP to a port that the kernel has chosen: it goes into the hole PORT. */
export function getUdpToChosen(family: 4 | 6): Message {
  const told = udpFilter(hole(PORT, 2));
  return message(type(IPCTNL_MSG_CT_GET), NLM_F_REQUEST | NLM_F_DUMP, head(family === 6 ? AF_INET6 : AF_INET), told);
}

export const PORT = "port";

function answerFilter(address: Uint8Array): Attribute[] {
  if (address.length === 16) return [[CTA_STATUS, be32(IPS_DST_NAT)]];
  return [[CTA_TUPLE_REPLY, [[CTA_TUPLE_IP, [[CTA_IP_V4_SRC, address]]]]], filter(0, BY_SOURCE)];
}

function udpFilter(port: number | Hole | undefined): Attribute[] {
  const proto: Attribute[] = [[CTA_PROTO_NUM, Uint8Array.of(UDP)]];
  if (port !== undefined) proto.push([CTA_PROTO_DST_PORT, typeof port === "number" ? be16(port) : port]);
  return [
    [CTA_TUPLE_ORIG, [[CTA_TUPLE_PROTO, proto]]],
    filter(BY_PROTOCOL | (port === undefined ? 0 : BY_DESTINATION_PORT), 0),
  ];
}

const filter = (orig: number, reply: number): Attribute => [
  CTA_FILTER,
  [
    [CTA_FILTER_ORIG_FLAGS, u32(orig)],
    [CTA_FILTER_REPLY_FLAGS, u32(reply)],
  ],
];

/** One that was told: which it is, as the kernel says it. */
export interface Connection {
  readonly family: number;
  readonly identity: readonly Attribute[];
  /** Of the first packet; undefined where the protocol has none. */
  readonly protocol: number | undefined;
  readonly port: number | undefined;
  readonly answeredBy: Uint8Array | undefined;
}

/** What answers to getConnections() tell; `last`: there are no more. */
export function connectionsIn(answers: readonly Uint8Array[]): { connections: Connection[]; last: boolean } {
  const connections: Connection[] = [];
  for (const answer of answers) {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    for (let at = 0; at + 16 <= answer.length; ) {
      const length = view.getUint32(at, true);
      if (length < 16 || at + length > answer.length) break;
      const kind = view.getUint16(at + MESSAGE_TYPE_AT, true);
      if (kind === NLMSG_DONE) return { connections, last: true };
      if (kind === CONNECTION) connections.push(readConnection(answer.subarray(at + 16, at + length)));
      at += align(length);
    }
  }
  return { connections, last: false };
}

function readConnection(body: Uint8Array): Connection {
  const all = attributesIn(body.subarray(4));
  const first = tupleIn(all, CTA_TUPLE_ORIG);
  const answer = tupleIn(all, CTA_TUPLE_REPLY);
  const [high, low] = valueIn(first.proto, CTA_PROTO_DST_PORT) ?? [];
  return {
    family: body[0] ?? 0,
    identity: all.filter(([kind]) => IDENTITY.includes(kind & NLA_TYPE)),
    protocol: valueIn(first.proto, CTA_PROTO_NUM)?.[0],
    port: high === undefined || low === undefined ? undefined : (high << 8) | low,
    answeredBy: valueIn(answer.ip, CTA_IP_V4_SRC) ?? valueIn(answer.ip, CTA_IP_V6_SRC),
  };
}

type Found = readonly (readonly [type: number, value: Uint8Array])[];

const valueIn = (list: Found, wanted: number) => list.find(([kind]) => (kind & NLA_TYPE) === wanted)?.[1];

function tupleIn(all: Found, kind: number): { ip: Found; proto: Found } {
  const within = (list: Found, wanted: number) => attributesIn(valueIn(list, wanted) ?? new Uint8Array());
  const tuple = within(all, kind);
  return { ip: within(tuple, CTA_TUPLE_IP), proto: within(tuple, CTA_TUPLE_PROTO) };
}

/** Whether it is one of those that were asked for. */
export function isSo({ protocol, port, answeredBy }: Connection, which: Which): boolean {
  if ("udp" in which) return protocol === UDP && (which.port === undefined || port === which.port);
  return answeredBy !== undefined && Buffer.from(answeredBy).equals(which.answeredBy);
}

/** By the first packet, and the number without which it may be another of the same kind. */
const IDENTITY = [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID];

/** As they are: the mark of nested ones is part of the type. */
function attributesIn(bytes: Uint8Array): [type: number, value: Uint8Array][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found: [number, Uint8Array][] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) break;
    found.push([view.getUint16(at + 2, true), bytes.subarray(at + 4, at + length)]);
    at += align(length);
  }
  return found;
}

/** The next packet is looked at as the first of a new one. */
export function forgetConnection({ family, identity }: Connection): Message {
  return message(type(IPCTNL_MSG_CT_DELETE), NLM_F_REQUEST, head(family), identity);
}

const type = (message: number) => (NFNL_SUBSYS_CTNETLINK << 8) | message;

const be32 = (value: number) => Uint8Array.of(...be16(value >>> 16), ...be16(value & 0xffff));

/** nfgenmsg */
const head = (family: number) => Uint8Array.of(family, 0, 0, 0);
