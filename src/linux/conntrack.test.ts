import { expect, test } from "bun:test";
import { connectionsIn, forgetConnection, getConnections, isSo } from "./conntrack.ts";
import { message } from "./netlinkmessage.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

test("a question: dump, family, tuple of the answer, and which parts of it count", () => {
  expect(hex(getConnections({ answeredBy: Uint8Array.of(10, 92, 0, 2) }))).toBe(
    [
      "38000000010101030100000000000000", // IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP
      "02000000", // AF_INET
      "10000280", // CTA_TUPLE_REPLY
      "0c000180", // CTA_TUPLE_IP
      "080001000a5c0002", // CTA_IP_V4_SRC
      "14001980", // CTA_FILTER
      "0800010000000000", // CTA_FILTER_ORIG_FLAGS
      "0800020001000000", // CTA_FILTER_REPLY_FLAGS: the source
    ].join(""),
  );
  const udp = hex(getConnections({ udp: true, family: 6, port: 53 }));
  expect(udp).toContain("0a000000"); // AF_INET6
  expect(udp).toContain(["18000180", "14000280", "0500010011000000", "0600030000350000"].join("")); // UDP, port 53
  expect(udp).toContain("0800010028000000"); // protocol and port of destination
});

test("by addresses of IPv6 kernels look the wrong way round: all that are turned are asked for", () => {
  const question = hex(getConnections({ answeredBy: new Uint8Array(16) }));
  expect(question).toBe("1c000000010101030100000000000000" + "0a000000" + "0800030000000020");
});

test("what was asked for is told apart", () => {
  const ip = (kind: number, ...bytes: number[]) => [1, [[kind, Uint8Array.from(bytes)]]] as const;
  const proto = (number: number, port: number) =>
    [2, [[1, Uint8Array.of(number)] as const, [3, Uint8Array.of(port >> 8, port & 255)] as const]] as const;
  const one = message(0x100, 2, Uint8Array.of(2, 0, 0, 0), [
    [1, [ip(2, 127, 0, 0, 1), proto(17, 5353)]],
    [2, [ip(1, 10, 92, 0, 2), proto(17, 4000)]],
  ]).bytes;
  const [connection] = connectionsIn([one]).connections;
  if (!connection) throw new Error("none");
  expect(isSo(connection, { answeredBy: Uint8Array.of(10, 92, 0, 2) })).toBe(true);
  expect(isSo(connection, { answeredBy: Uint8Array.of(10, 92, 0, 3) })).toBe(false);
  expect(isSo(connection, { udp: true, family: 4, port: 5353 })).toBe(true);
  expect(isSo(connection, { udp: true, family: 4, port: 4000 })).toBe(false);
});

const tuple = [[1, [[1, Uint8Array.of(127, 0, 0, 1)]]]] as const;
const told = (id: number) =>
  message(0x100, 2, Uint8Array.of(2, 0, 0, 0), [
    [1, tuple],
    [2, tuple],
    [3, Uint8Array.of(1, 2, 3, 4)],
    [12, Uint8Array.of(0, 0, 0, id)],
  ]).bytes;

test("an answer in parts: what is deleted is told by its first packet and its number; DONE is the last", () => {
  const part = Buffer.concat([told(7), told(8)]);
  const open = connectionsIn([part]);
  expect(open.last).toBe(false);
  expect(open.connections.length).toBe(2);
  const [first] = open.connections;
  if (!first) throw new Error("none");
  expect(hex(forgetConnection(first).bytes)).toBe(
    [
      "2c000000020101000100000000000000",
      "02000000",
      "10000180",
      "0c000180",
      "080001007f000001",
      "08000c0000000007",
    ].join(""),
  );
  const done = message(3, 2, new Uint8Array(4), []).bytes;
  expect(connectionsIn([part, done])).toMatchObject({ last: true });
});

test("what is not whole is not read", () => {
  const one = told(7);
  for (let length = 0; length < one.length; length++)
    expect(connectionsIn([one.subarray(0, length)]).connections).toEqual([]);
});
