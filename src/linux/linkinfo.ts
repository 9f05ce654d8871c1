/** A link as the kernel tells it: the answer to RTM_GETLINK (rtnetlink(7)). */
import { IFF_UP, RTM_NEWLINK } from "./netlink.ts";
import { align, HEADER, MESSAGE_TYPE_AT } from "./netlinkmessage.ts";

const IFLA_ADDRESS = 1;
const IFLA_MASTER = 10;
const IFLA_LINKINFO = 18;
const IFLA_INFO_KIND = 1;
const IFF_LOOPBACK = 8;
/** Of ifinfomsg. */
const BODY = 16;

export interface LinkInfo {
  readonly index: number;
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
    up: (flags & IFF_UP) !== 0,
    loopback: (flags & IFF_LOOPBACK) !== 0,
    mac: [...(attributes.get(IFLA_ADDRESS) ?? [])].map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
    ...(master ? { master: new DataView(master.buffer, master.byteOffset).getUint32(0, true) } : {}),
    ...(kind ? { kind: new TextDecoder().decode(kind).replace(/\0.*$/s, "") } : {}),
  };
}

function* attributesIn(body: Uint8Array): Generator<[type: number, value: Uint8Array]> {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let at = 0; at + 4 <= body.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > body.length) return;
    yield [view.getUint16(at + 2, true) & 0x3fff, body.subarray(at + 4, at + length)];
    at += align(length);
  }
}
