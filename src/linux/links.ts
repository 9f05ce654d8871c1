/** Links that are made (rtnetlink(7), RTM_NEWLINK): bridges, pairs of virtual Ethernet devices, devices on top of others. */
import { IFF_UP, IFLA_IFNAME, IFLA_NET_NS_PID, linkHead, RTM_NEWLINK } from "./netlink.ts";
import {
  type Attribute,
  hole,
  type Message,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  u32,
  zeroEnded,
} from "./netlinkmessage.ts";

const RTM_DELLINK = 17;
const RTM_DELLINKPROP = 109;
const IFLA_ADDRESS = 1;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_NET_NS_FD = 28;
const IFLA_GSO_MAX_SIZE = 41;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFLA_GRO_MAX_SIZE = 58;
const IFLA_GSO_IPV4_MAX_SIZE = 63;
const IFLA_GRO_IPV4_MAX_SIZE = 64;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_MACVLAN_MODE = 1;
const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

export type MacvlanMode = keyof typeof MACVLAN_MODES;

/** Six bytes. */
export type Mac = Uint8Array;

/** That of the process "pid", or of the file "fd". */
export type NamespaceBy = "pid" | "fd";

const within = (namespace: NamespaceBy): Attribute => [
  namespace === "pid" ? IFLA_NET_NS_PID : IFLA_NET_NS_FD,
  hole(namespace),
];

/** Bytes; what is undefined is the kernel's choice. */
export interface LinkSizes {
  /** Of a frame. */
  readonly mtu?: number | undefined;
  /** Of what the kernel hands on as one packet and cuts only where it has to. Above 65,536 kernels before 6.3 have it for IPv6 alone. */
  readonly gsoMaxSize?: number | undefined;
}

const sizes = ({ mtu, gsoMaxSize }: LinkSizes): Attribute[] => [
  ...(mtu === undefined ? [] : [[IFLA_MTU, u32(mtu)] satisfies Attribute]),
  ...(gsoMaxSize === undefined
    ? []
    : [IFLA_GSO_MAX_SIZE, IFLA_GRO_MAX_SIZE, IFLA_GSO_IPV4_MAX_SIZE, IFLA_GRO_IPV4_MAX_SIZE].map(
        (type): Attribute => [type, u32(gsoMaxSize)],
      )),
];

export interface VethEnd {
  readonly name: string;
  readonly mac?: Mac | undefined;
}

/**
 * A pair: one end is a port of the bridge "bridge" and up, the other one is in another network namespace, down.
 * @param size of both
 * @param bridged false: a port of no bridge
 */
export function newVeth(
  port: VethEnd,
  peer: VethEnd,
  size: LinkSizes,
  bridged = true,
  namespace: NamespaceBy = "pid",
): Message {
  const end = message(0, 0, linkHead(0, false), [
    [IFLA_IFNAME, zeroEnded(peer.name)],
    ...address(peer.mac),
    ...sizes(size),
    within(namespace),
  ]);
  // VETH_INFO_PEER holds an ifinfomsg with attributes behind it: a message without its header.
  const body = { bytes: end.bytes.subarray(16), holes: end.holes.map(({ name, at }) => ({ name, at: at - 16 })) };
  return withEnd(
    [
      [IFLA_IFNAME, zeroEnded(port.name)],
      ...address(port.mac),
      ...sizes(size),
      ...(bridged ? [[IFLA_MASTER, hole("bridge")] as const] : []),
    ],
    "veth",
    VETH_INFO_PEER,
    body,
  );
}

export function newBridge(name: string, mac: Mac, mtu: number | undefined): Message {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, linkHead(0, false), [
    [IFLA_IFNAME, zeroEnded(name)],
    [IFLA_ADDRESS, mac],
    ...sizes({ mtu }),
    [IFLA_LINKINFO, [[IFLA_INFO_KIND, zeroEnded("bridge")]]],
  ]);
}

/** A device of its own MAC on top of the device "parent", in another network namespace. */
export function newMacvlan(
  { name, mac }: VethEnd,
  mode: MacvlanMode,
  mtu: number | undefined,
  namespace: NamespaceBy = "pid",
): Message {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHead(0, false), [
    [IFLA_IFNAME, zeroEnded(name)],
    ...address(mac),
    ...sizes({ mtu }),
    [IFLA_LINK, hole("parent")],
    within(namespace),
    [
      IFLA_LINKINFO,
      [
        [IFLA_INFO_KIND, zeroEnded("macvlan")],
        [IFLA_INFO_DATA, [[IFLA_MACVLAN_MODE, u32(MACVLAN_MODES[mode])]]],
      ],
    ],
  ]);
}

/** Moves the link "index" into another network namespace: that of the process "namespace", or of its descriptor. */
export function takeLink(name: string, up: boolean, by: "pid" | "fd"): Message {
  const attributes: Attribute[] = [
    [IFLA_IFNAME, zeroEnded(name)],
    [by === "pid" ? IFLA_NET_NS_PID : IFLA_NET_NS_FD, hole("namespace")],
  ];
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, up), attributes, [{ name: "index", at: 4 }]);
}

/** Takes further names away from the link of that index. */
export function dropNames(index: number, names: readonly string[]): Message {
  const list = names.map((name): Attribute => [IFLA_ALT_IFNAME, zeroEnded(name)]);
  return message(RTM_DELLINKPROP, NLM_F_REQUEST | NLM_F_ACK, linkHead(index, false), [[IFLA_PROP_LIST, list]]);
}

/** The link of that index is down. */
export function setDown(index: number): Message {
  const head = linkHead(index, false);
  new DataView(head.buffer).setUint32(12, IFF_UP, true); // ifi_change
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, head, []);
}

/** The link of that index is called so. */
export function renameLink(index: number, name: string): Message {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(index, false), [[IFLA_IFNAME, zeroEnded(name)]]);
}

/** The same for the link "index". */
export function renameFound(name: string): Message {
  const attributes: Attribute[] = [[IFLA_IFNAME, zeroEnded(name)]];
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, false), attributes, [{ name: "index", at: 4 }]);
}

/** The link of that index goes to the network namespace of the descriptor "namespace". */
export function sendLink(index: number): Message {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(index, false), [[IFLA_NET_NS_FD, hole("namespace")]]);
}

/** Hardware address and MTU of the link "index". */
export function resetLink(mac: Mac, mtu: number): Message {
  const attributes: Attribute[] = [...address(mac.length > 0 ? mac : undefined), [IFLA_MTU, u32(mtu)]];
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, false), attributes, [{ name: "index", at: 4 }]);
}

/** Of the link "index"; of a bridge no more than its ports have, and no more than 65,536 before it has one. */
export function resizeLink(size: LinkSizes): Message {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, false), sizes(size), [{ name: "index", at: 4 }]);
}

/** By its name. */
export function deleteLink(name: string): Message {
  return message(RTM_DELLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, false), [[IFLA_IFNAME, zeroEnded(name)]]);
}

/** Up; the index is "index". @param alias what whoever looks at it is told: the kernel takes none from the message that makes a link */
export function setUp(alias?: string): Message {
  const attributes: Attribute[] = alias === undefined ? [] : [[IFLA_IFALIAS, new TextEncoder().encode(alias)]];
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(0, true), attributes, [{ name: "index", at: 4 }]);
}

function withEnd(attributes: readonly Attribute[], kind: string, type: number, body: Message): Message {
  const empty: Attribute = [type, body.bytes];
  const made = message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, linkHead(0, true), [
    ...attributes,
    [
      IFLA_LINKINFO,
      [
        [IFLA_INFO_KIND, zeroEnded(kind)],
        [IFLA_INFO_DATA, [empty]],
      ],
    ],
  ]);
  const start = made.bytes.length - body.bytes.length; // it is the last
  return { bytes: made.bytes, holes: [...made.holes, ...body.holes.map(({ name, at }) => ({ name, at: start + at }))] };
}

const address = (mac: Mac | undefined): Attribute[] => (mac ? [[IFLA_ADDRESS, mac]] : []);
