/** What a client has sent, as far as it has to be understood; the rest of it goes on to others as it came. */
import { decode } from "dns-packet";

export interface Query {
  /** The message as it came. */
  readonly bytes: Buffer;
  /** In small letters, without a dot at its end; "" is the root. */
  readonly name: string;
  /** "A", "UNKNOWN_65"… */
  readonly type: string;
  readonly class: string;
  /** Where its question ends. */
  readonly end: number;
  /** It has EDNS (RFC 6891): so has the answer. */
  readonly edns: boolean;
  /** How long an answer by UDP may be. */
  readonly room: number;
}

/** What it is instead, if it is no query: a response code, or "drop" for what gets no answer at all. */
export type NoQuery = "drop" | number;

export const HEADER = 12;
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
} as const;

const QR = 0x80;
const OPCODE = 0x78;
const OPT = 41;
const PLAIN_ROOM = 512;
/** What goes through without being cut in pieces. */
export const EDNS_ROOM = 1232;
const LONGEST_QUESTION = HEADER + 255 + 4;

export function readQuery(bytes: Buffer): Query | NoQuery {
  if (bytes.length < HEADER) return "drop";
  const flags = bytes[2] ?? 0;
  if (flags & QR) return "drop"; // an answer: two that answer each other would not come to an end
  if (flags & OPCODE) return RCODE.notImplemented;
  const [questions, answers, authorities, additionals] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0) return RCODE.formatError;
  const alone = Buffer.from(bytes.subarray(0, LONGEST_QUESTION));
  alone.fill(0, 6, HEADER); // no other records: only the question is read
  try {
    const question = decode(alone).questions?.[0];
    if (!question) return RCODE.formatError;
    const end = decode.bytes;
    const edns = additionals === 0 ? undefined : ednsRoom(bytes, end);
    return {
      bytes,
      name: question.name === "." ? "" : small(question.name),
      type: question.type,
      class: question.class ?? "IN",
      end,
      edns: edns !== undefined,
      room: Math.max(PLAIN_ROOM, Math.min(edns ?? PLAIN_ROOM, 4096)),
    };
  } catch {
    return RCODE.formatError;
  }
}

/** Of a record for the root, directly behind the question: where clients have it. */
function ednsRoom(bytes: Buffer, at: number): number | undefined {
  if (bytes.length < at + 11 || bytes[at] !== 0 || bytes.readUInt16BE(at + 1) !== OPT) return undefined;
  return bytes.readUInt16BE(at + 3);
}

/** Of ASCII letters alone, as names are compared (RFC 4343). */
export const small = (name: string) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
