/** rtnetlink messages (rtnetlink(7)), encoded; the stage sends them. */

import {
  type Attribute,
  align,
  hole,
  MESSAGE_TYPE_AT,
  type Message,
  message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  NLMSG_DONE,
  zeroEnded,
} from "./netlinkmessage.ts";

export const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
export const IFF_UP = 1;
export const IFLA_IFNAME = 3;
export const IFLA_NET_NS_PID = 19;
const IFA_F_PERMANENT = 0x80;
const IFA_FLAGS = 8;
/** Not kept: the name of the device that it had, and when it was made. */
const IFA_LABEL = 3;
const IFA_CACHEINFO = 6;
const RT_SCOPE_UNIVERSE = 0;
/** In a new network namespace the loopback device always has this index. */
export const LOOPBACK_INDEX = 1;

/** Length of the acknowledgement header before nlmsgerr.error. */
export const ACK_ERROR_AT = 16;

/** Sets IFF_UP on a link and asks for an acknowledgement. */
export function linkUp(index: number): Uint8Array {
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(index, true), []).bytes;
}

/** ifinfomsg. @param index 0: by its name */
export function linkHead(index: number, up: boolean): Uint8Array {
  const head = new DataView(new ArrayBuffer(16));
  head.setInt32(4, index, true);
  head.setUint32(8, up ? IFF_UP : 0, true);
  head.setUint32(12, up ? IFF_UP : 0, true); // ifi_change: the flags that this message is about
  return new Uint8Array(head.buffer);
}

/** ifinfomsg.ifi_index */
export const LINK_INDEX_AT = 20;
/** ifaddrmsg.ifa_index */
export const ADDRESS_INDEX_AT = 20;

/** Asks for a link by its name. */
export function getLink(name: string): Uint8Array {
  return message(RTM_GETLINK, NLM_F_REQUEST, new Uint8Array(16), [[IFLA_IFNAME, zeroEnded(name)]]).bytes;
}

/** Asks for all links. */
export function getLinks(): Uint8Array {
  return message(RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, new Uint8Array(16), []).bytes;
}

/** Moves a link into the network namespace of the process "pid", gives it a name there, and sets it up. */
export function moveLink(index: number, name: string | undefined): Message {
  const attributes: Attribute[] = [[IFLA_NET_NS_PID, hole("pid")]];
  if (name !== undefined) attributes.push([IFLA_IFNAME, zeroEnded(name)]);
  return message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, linkHead(index, true), attributes);
}

/** An address of a link, as the kernel tells it. */
export interface Address {
  /** ifaddrmsg: family, prefix length, flags, scope. */
  readonly head: readonly number[];
  /** Attribute's number and its bytes, in hexadecimal digits. */
  readonly attributes: readonly (readonly [type: number, hex: string])[];
}

/** Asks for the addresses of all links. */
export function getAddresses(): Uint8Array {
  return message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, new Uint8Array(8), []).bytes;
}

/** Gives a link an address; its index is to be put in at ADDRESS_INDEX_AT. */
export function newAddress({ head, attributes }: Address): Uint8Array {
  const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return message(
    RTM_NEWADDR,
    flags,
    Uint8Array.from([...head, 0, 0, 0, 0]),
    attributes.map(([type, hex]): Attribute => [type, Buffer.from(hex, "hex")]),
  ).bytes;
}

/** Permanent addresses of global scope that a link has, from the answers to getAddresses(); undefined if they are not whole. */
export function addressesOf(index: number, answers: readonly Uint8Array[]): Address[] | undefined {
  const found: Address[] = [];
  for (const answer of answers) {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.byteLength);
    for (let at = 0; at + 16 <= answer.length; ) {
      const length = view.getUint32(at, true);
      const type = view.getUint16(at + MESSAGE_TYPE_AT, true);
      if (type === NLMSG_DONE) return found;
      if (length < 16 || at + length > answer.length) return undefined;
      if (type === RTM_NEWADDR && view.getUint32(at + ADDRESS_INDEX_AT, true) === index) {
        const address = readAddress(answer.subarray(at + 16, at + length));
        if (address) found.push(address);
      }
      at += align(length);
    }
  }
  return undefined;
}

function readAddress(body: Uint8Array): Address | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const head = [...body.subarray(0, 4)];
  let flags = head[2] ?? 0;
  const attributes: [number, string][] = [];
  for (let at = 8; at + 4 <= body.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4) break;
    const type = view.getUint16(at + 2, true);
    if (type === IFA_FLAGS) flags = view.getUint32(at + 4, true);
    if (type !== IFA_CACHEINFO && type !== IFA_LABEL)
      attributes.push([type, Buffer.from(body.subarray(at + 4, at + length)).toString("hex")]);
    at += align(length);
  }
  return flags & IFA_F_PERMANENT && head[3] === RT_SCOPE_UNIVERSE ? { head, attributes } : undefined;
}
