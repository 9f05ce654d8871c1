/** rtnetlink messages (rtnetlink(7)), encoded; the stage sends them. */

const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_EXCL = 0x200;
const NLM_F_DUMP = 0x300;
const NLM_F_CREATE = 0x400;
const NLMSG_DONE = 3;
export const NLMSG_ERROR = 2;
export const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_GETADDR = 22;
const IFF_UP = 1;
const IFLA_IFNAME = 3;
const IFLA_NET_NS_PID = 19;
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
  const message = new DataView(new ArrayBuffer(32)); // nlmsghdr (16), ifinfomsg (16)
  message.setUint32(0, 32, true);
  message.setUint16(4, RTM_NEWLINK, true);
  message.setUint16(6, NLM_F_REQUEST | NLM_F_ACK, true);
  message.setUint32(8, 1, true); // sequence
  message.setInt32(20, index, true);
  message.setUint32(24, IFF_UP, true);
  message.setUint32(28, IFF_UP, true); // ifi_change: the flags that this message is about
  return new Uint8Array(message.buffer);
}

/** Offsets in messages and answers: nlmsghdr is 16 bytes long. */
export const MESSAGE_TYPE_AT = 4;
/** ifinfomsg.ifi_index */
export const LINK_INDEX_AT = 20;
/** ifaddrmsg.ifa_index */
export const ADDRESS_INDEX_AT = 20;

/** Asks for a link by its name. */
export function getLink(name: string): Uint8Array {
  return message(RTM_GETLINK, NLM_F_REQUEST, new Uint8Array(16), [[IFLA_IFNAME, zeroEnded(name)]]);
}

/** Moves a link into the network namespace of a process, gives it a name there, and sets it up. The pid is to be put in at `pidAt`. */
export function moveLink(index: number, name: string | undefined): { bytes: Uint8Array; pidAt: number } {
  const head = new DataView(new ArrayBuffer(16));
  head.setInt32(4, index, true);
  head.setUint32(8, IFF_UP, true);
  head.setUint32(12, IFF_UP, true);
  const attributes: Attribute[] = [[IFLA_NET_NS_PID, new Uint8Array(4)]];
  if (name !== undefined) attributes.push([IFLA_IFNAME, zeroEnded(name)]);
  const bytes = message(RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK, new Uint8Array(head.buffer), attributes);
  return { bytes, pidAt: 16 + 16 + 4 };
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
  return message(RTM_GETADDR, NLM_F_REQUEST | NLM_F_DUMP, new Uint8Array(8), []);
}

/** Gives a link an address; its index is to be put in at ADDRESS_INDEX_AT. */
export function newAddress({ head, attributes }: Address): Uint8Array {
  const flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
  return message(
    RTM_NEWADDR,
    flags,
    Uint8Array.from([...head, 0, 0, 0, 0]),
    attributes.map(([type, hex]): Attribute => [type, Buffer.from(hex, "hex")]),
  );
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

type Attribute = readonly [type: number, value: Uint8Array];

const align = (length: number) => (length + 3) & ~3;

const zeroEnded = (text: string) => new TextEncoder().encode(`${text}\0`);

function message(type: number, flags: number, body: Uint8Array, attributes: readonly Attribute[]): Uint8Array {
  const size = attributes.reduce((sum, [, value]) => sum + align(4 + value.length), 16 + body.length);
  const result = new Uint8Array(size);
  const view = new DataView(result.buffer);
  view.setUint32(0, size, true);
  view.setUint16(MESSAGE_TYPE_AT, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, 1, true); // sequence
  result.set(body, 16);
  let at = 16 + body.length;
  for (const [kind, value] of attributes) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, kind, true);
    result.set(value, at + 4);
    at += align(4 + value.length);
  }
  return result;
}
