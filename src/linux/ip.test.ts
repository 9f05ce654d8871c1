import { expect, test } from "bun:test";
import { broadcastIn, ipBytes, macBytes, plainIp, subnetParts } from "./ip.ts";

const hex = (text: string) => Buffer.from(ipBytes(text)).toString("hex");

test("IPv4", () => expect([...ipBytes("10.91.0.255")]).toEqual([10, 91, 0, 255]));

test.each([
  ["::", "0".repeat(32)],
  ["::1", `${"0".repeat(31)}1`],
  ["fd00::", `fd00${"0".repeat(28)}`],
  ["fd12:3456:789a:1::2", "fd123456789a00010000000000000002"],
  ["1:2:3:4:5:6:7:8", "00010002000300040005000600070008"],
  ["fd12:3456:789a:1::10.91.0.2", "fd123456789a0001000000000a5b0002"],
  ["::10.91.0.2", "0000000000000000000000000a5b0002"],
  ["1:2:3:4:5:6:10.91.0.2", "0001000200030004000500060a5b0002"],
])("%s", (text, expected) => expect(hex(text)).toBe(expected));

test.each(["", "10.91.0", "10.91.0.256", "1:2", "1::2::3g", "1:2:3:4:5:6:7:8:9", "10.91.0.2.3"])("%p is none", (text) =>
  expect(() => ipBytes(text)).toThrow("no"),
);

test("subnet and MAC", () => {
  expect(subnetParts("10.91.0.0/16")).toEqual({ ip: Uint8Array.of(10, 91, 0, 0), prefix: 16 });
  expect([...macBytes("02:42:0a:5b:00:02")]).toEqual([2, 0x42, 10, 91, 0, 2]);
});

test.each([
  ["10.91.0.0/16", "10.91.255.255"],
  ["10.92.3.0/24", "10.92.3.255"],
  ["10.92.3.8/30", "10.92.3.11"],
  ["10.92.2.0/23", "10.92.3.255"],
])("the broadcast address of %s", (subnet, last) =>
  expect([...(broadcastIn(subnet) ?? [])]).toEqual([...ipBytes(last)]),
);

test.each([
  ["fd00:41::10.92.41.2", "fd00:41::a5c:2902"],
  ["fd00:1:2:3::10.92.41.2", "fd00:1:2:3::a5c:2902"],
  ["::", "::"],
  ["::1", "::1"],
  ["fd00::", "fd00::"],
  ["1:0:2:3:4:5:0.6.0.7", "1:0:2:3:4:5:6:7"],
  ["10.92.41.2", "10.92.41.2"],
])("%s without dots", (text, plain) => {
  expect(plainIp(text)).toBe(plain);
  expect([...ipBytes(plain)]).toEqual([...ipBytes(text)]);
});
