/** A link as the kernel tells it: the answer to RTM_GETLINK (rtnetlink(7)). */
import { IFF_UP, RTM_NEWLINK } from "./netlink.ts";
import { align, HEADER, MESSAGE_TYPE_AT, NLMSG_DONE } from "./netlinkmessage.ts";

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PHYS_PORT_ID = 34;
const IFLA_LINK_NETNSID = 37;
const IFLA_PROP_LIST = 52;
const IFLA_ALT_IFNAME = 53;
const IFLA_PERM_ADDRESS = 54;
const IFLA_PARENT_DEV_NAME = 56;
const IFLA_PARENT_DEV_BUS_NAME = 57;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFF_LOOPBACK = 8;
/** Of ifinfomsg. */
const BODY = 16;

export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly alternatives: readonly string[];
  readonly mtu: number;
  /** What nobody changes who has it: see isSameLink. */
  readonly identity: string;
  /** Nobody can make another one of the same identity who has no rights over the host's own network. */
  readonly unique: boolean;
  readonly up: boolean;
  readonly loopback: boolean;
  /** "02:42:0a:5b:00:02"; "" if it has none. */
  readonly mac: string;
  /** Index of the bridge that it is a port of. */
  readonly master?: number;
  /** "bridge", "veth", "macvlan"; undefined: hardware. */
  readonly kind?: string;
}

/** Undefined if there is no such link. */
export function readLinkInfo(answer: Uint8Array): LinkInfo | undefined {
  const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
  if (view.getUint16(MESSAGE_TYPE_AT, true) !== RTM_NEWLINK) return undefined;
  const flags = view.getUint32(HEADER + 8, true);
  const end = Math.min(view.getUint32(0, true), answer.length);
  const attributes = new Map(attributesIn(answer.subarray(HEADER + BODY, end)));
  const master = attributes.get(IFLA_MASTER);
  const kind = new Map(attributesIn(attributes.get(IFLA_LINKINFO) ?? new Uint8Array())).get(IFLA_INFO_KIND);
  return {
    index: view.getInt32(HEADER + 4, true),
    name: textIn(attributes.get(IFLA_IFNAME)) ?? "",
    alternatives: attributesIn(attributes.get(IFLA_PROP_LIST) ?? new Uint8Array())
      .filter(([type]) => type === IFLA_ALT_IFNAME)
      .map(([, value]) => textIn(value) ?? ""),
    mtu: numberIn(attributes.get(IFLA_MTU)),
    identity: JSON.stringify([textIn(kind), ...FIXED.map((type) => hexIn(attributes.get(type)))]),
    unique: attributes.has(IFLA_PARENT_DEV_NAME) || (textIn(kind) === "veth" && attributes.has(IFLA_LINK_NETNSID)),
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mac: [...(attributes.get(IFLA_ADDRESS) ?? [])].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
    ...(master ? { master: numberIn(master) } : {}),
    ...(kind ? { kind: textIn(kind) ?? "" } : {}),
  };
}

/** The answers to a question for all links; undefined if they are not whole. */
export function linksIn(answers: readonly Uint8Array[]): LinkInfo[] | undefined {
  const found: LinkInfo[] = [];
  for (const answer of answers) {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    for (let at = 0; at + HEADER <= answer.length; ) {
      const length = view.getUint32(at, true);
      if (view.getUint16(at + MESSAGE_TYPE_AT, true) === NLMSG_DONE) return found;
      if (length < HEADER || at + length > answer.length) return undefined;
      const info = readLinkInfo(answer.subarray(at, at + length));
      if (info) found.push(info);
      at += align(length);
    }
  }
  return undefined;
}

/**
 * What a device is by hardware, and what it lies on or is the other end of, in which network namespace: its number and its names may have been changed. Of
 * devices that are nothing but software the number counts, too.
 */
export function isSameLink(a: LinkInfo, b: LinkInfo): boolean {
  return a.identity === b.identity && (a.unique || a.index === b.index);
}

const FIXED = [
  IFLA_LINK,
  IFLA_LINK_NETNSID,
  IFLA_PHYS_PORT_ID,
  IFLA_PERM_ADDRESS,
  IFLA_PARENT_DEV_NAME,
  IFLA_PARENT_DEV_BUS_NAME,
];

const textIn = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value).replace(/\0.*$/s, "");
const hexIn = (value: Uint8Array | undefined) => (value ? Buffer.from(value).toString("hex") : "");
const numberIn = (value: Uint8Array | undefined) =>
  value ? new DataView(value.buffer, value.byteOffset).getUint32(0, true) : 0;

function attributesIn(body: Uint8Array): [type: number, value: Uint8Array][] {
  const found: [type: number, value: Uint8Array][] = [];
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at + 4 <= body.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) break;
    found.push([view.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + length)]);
    at += align(length);
  }
  return found;
}
