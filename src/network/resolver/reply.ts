/** Answers of our own. */
import { type Answer, AUTHORITATIVE_ANSWER, encode, RECURSION_AVAILABLE, RECURSION_DESIRED } from "dns-packet";
import { EDNS_ROOM, HEADER, type Query, RCODE } from "./query.ts";

/** Seconds: a container may be gone the next moment. */
const TTL = 5;

export type Record =
  | { readonly type: "A" | "AAAA"; readonly data: string }
  | { readonly type: "PTR"; readonly data: string };

/** A response code and nothing else: never longer than what was asked. @param bytes at least a header */
export function refusal(bytes: Buffer, code: number, end: number = HEADER): Buffer {
  const reply = Buffer.from(bytes.subarray(0, end));
  reply[2] = 0x80 | ((bytes[2] ?? 0) & 0x79); // an answer; opcode and "recursion desired" are as they came
  reply[3] = 0x80 | code;
  reply.fill(0, 4, HEADER);
  if (end > HEADER) reply.writeUInt16BE(1, 4);
  return reply;
}

/** The question, and how it stands with it: with EDNS if that came. */
export function plainReply(query: Query, code: number): Buffer {
  const reply = refusal(query.bytes, code, query.end);
  if (!query.edns) return reply;
  const option = Buffer.alloc(11);
  option.writeUInt16BE(41, 1);
  option.writeUInt16BE(EDNS_ROOM, 3);
  reply.writeUInt16BE(1, 10);
  return Buffer.concat([reply, option]);
}

/** @param records [] tells that the name is there, but has nothing of this type @param room how long it may be */
export function ownReply(query: Query, records: readonly Record[], room: number): Buffer {
  if (records.length === 0) return plainReply(query, RCODE.noError);
  const { bytes, name, end } = query;
  const desired = bytes.readUInt16BE(2) & RECURSION_DESIRED;
  const answers = records.map((record): Answer => ({ ...record, name, ttl: TTL, class: "IN" }));
  const encoded = encode({
    type: "response",
    id: bytes.readUInt16BE(0),
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | desired,
    questions: [{ type: "A", name, class: "IN" }],
    answers,
    additionals: query.edns
      ? [
          {
            type: "OPT",
            name: ".",
            udpPayloadSize: EDNS_ROOM,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
  // The question is put back as it came, type and letters: a name that is not text would not fit.
  if (decodedEnd(encoded) !== end) return plainReply(query, RCODE.nameError);
  if (encoded.length > room) return truncated(plainReply(query, RCODE.noError));
  bytes.copy(encoded, HEADER, HEADER, end);
  return encoded;
}

/** Where the question ends: a name of single labels. */
function decodedEnd(message: Buffer): number {
  let at = HEADER;
  while ((message[at] ?? 0) > 0) at += 1 + (message[at] ?? 0);
  return at + 1 + 4;
}

/** What is longer than the client takes is cut to the question: it asks again by TCP. */
export function fit(reply: Buffer, query: Query): Buffer {
  return reply.length <= query.room ? reply : truncated(plainReply(query, (reply[3] ?? 0) & 0xf));
}

function truncated(reply: Buffer): Buffer {
  reply[2] = (reply[2] ?? 0) | 2;
  return reply;
}
