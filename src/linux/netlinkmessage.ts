/** Netlink messages (netlink(7)), put together: headers, bodies, nested attributes, and places whose bytes come later. */

export const NLM_F_REQUEST = 1;
export const NLM_F_ACK = 4;
export const NLM_F_EXCL = 0x200;
export const NLM_F_DUMP = 0x300;
export const NLM_F_CREATE = 0x400;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
const NLA_F_NESTED = 0x8000;

/** nlmsghdr */
export const HEADER = 16;
/** Offset of nlmsghdr.nlmsg_type. */
export const MESSAGE_TYPE_AT = 4;

/** Bytes that are put in when the message is sent. */
export interface Hole {
  readonly hole: string;
  readonly size: number;
}

/** One behind the other, each padded to four bytes. */
export interface Joined {
  readonly parts: readonly (Uint8Array | Hole)[];
}

export type Attribute = readonly [type: number, value: Uint8Array | Hole | Joined | readonly Attribute[]];

export interface Message {
  readonly bytes: Uint8Array;
  readonly holes: readonly { readonly name: string; readonly at: number }[];
}

export const hole = (name: string, size = 4): Hole => ({ hole: name, size });

/** @param holes offsets in `body` */
export function message(
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly Attribute[],
  holes: Message["holes"] = [],
): Message {
  const size = HEADER + body.length + attributes.reduce((sum, attribute) => sum + room(attribute), 0);
  const result = new Uint8Array(size);
  const view = new DataView(result.buffer);
  view.setUint32(0, size, true);
  view.setUint16(MESSAGE_TYPE_AT, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, 1, true); // sequence
  result.set(body, HEADER);
  const found = holes.map(({ name, at }) => ({ name, at: HEADER + at }));
  let at = HEADER + body.length;
  for (const attribute of attributes) at = put(result, view, at, attribute, found);
  return { bytes: result, holes: found };
}

/** Several, sent as one datagram: the kernel takes them in turn. */
export function together(messages: readonly Message[]): Message {
  const bytes = new Uint8Array(messages.reduce((sum, { bytes: part }) => sum + align(part.length), 0));
  const holes: Message["holes"][number][] = [];
  let at = 0;
  for (const { bytes: part, holes: theirs } of messages) {
    bytes.set(part, at);
    for (const { name, at: within } of theirs) holes.push({ name, at: at + within });
    at += align(part.length);
  }
  return { bytes, holes };
}

export const align = (length: number) => (length + 3) & ~3;

export const zeroEnded = (text: string) => new TextEncoder().encode(`${text}\0`);

export function u32(value: number): Uint8Array {
  const result = new Uint8Array(4);
  new DataView(result.buffer).setUint32(0, value, true);
  return result;
}

/** Network order. */
export const be16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);

const isHole = (value: Attribute[1]): value is Hole => "hole" in value;
const isJoined = (value: Attribute[1]): value is Joined => "parts" in value;
const isNested = (value: Attribute[1]): value is readonly Attribute[] => Array.isArray(value);

function lengthOf([, value]: Attribute): number {
  if (isNested(value)) return 4 + value.reduce((sum, attribute) => sum + room(attribute), 0);
  if (isJoined(value)) return 4 + value.parts.reduce((sum, part) => sum + align(sizeOf(part)), 0);
  return 4 + sizeOf(value);
}

const sizeOf = (part: Uint8Array | Hole) => ("hole" in part ? part.size : part.length);

const room = (attribute: Attribute) => align(lengthOf(attribute));

function put(
  into: Uint8Array,
  view: DataView,
  at: number,
  attribute: Attribute,
  holes: { name: string; at: number }[],
): number {
  const [type, value] = attribute;
  view.setUint16(at, lengthOf(attribute), true);
  view.setUint16(at + 2, isNested(value) ? type | NLA_F_NESTED : type, true);
  if (isNested(value)) {
    let inner = at + 4;
    for (const each of value) inner = put(into, view, inner, each, holes);
  } else if (isJoined(value)) {
    let inner = at + 4;
    for (const part of value.parts) {
      if ("hole" in part) holes.push({ name: part.hole, at: inner });
      else into.set(part, inner);
      inner += align(sizeOf(part));
    }
  } else if (isHole(value)) holes.push({ name: value.hole, at: at + 4 });
  else into.set(value, at + 4);
  return at + room(attribute);
}
