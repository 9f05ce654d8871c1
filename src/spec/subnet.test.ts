import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  addressAt,
  addressBytes,
  addressWithin,
  broadcastOf,
  canonicalAddress,
  contains,
  covers,
  formatAddress,
  formatCidr,
  isAddress,
  overlap,
  parseCidr,
  subnetsOf,
} from "./subnet.ts";

const cidr = (text: string) => parseCidr(text, "--subnet");

test("subnets are read, and written as others write them", () => {
  expect(formatCidr(cidr("10.92.0.0/24"))).toBe("10.92.0.0/24");
  expect(formatCidr(cidr("FD00:0:0:1::/64"))).toBe("fd00:0:0:1::/64");
  expect(formatCidr(cidr("0.0.0.0/0"))).toBe("0.0.0.0/0");
  expect(canonicalAddress("fd00::00:1", "--ip6")).toBe("fd00::1");
});

test.each([
  ["10.92.0.0", "no subnet"],
  ["10.92.0.0/", "no subnet"],
  ["10.92.0.0/33", "32 bits"],
  ["fd00::/129", "128 bits"],
  ["10.92/16", "no subnet"],
  ["0x0a.0.0.0/8", "no subnet"],
  ["010.0.0.0/8", "no subnet"],
  ["10.92.0.1/24", "bits of hosts are set"],
  ["fd00::1/64", "bits of hosts are set"],
  ["fe80::%eth0/64", "no subnet"],
  ["name/24", "no subnet"],
  ["10.92.0.256/24", "no subnet"],
])("%s: refused", (text, why) => {
  expect(() => cidr(text)).toThrow(why);
});

test("what is no address", () => {
  for (const text of [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "1.2.3.4/24",
    "fd00",
    "fd00::1%lo",
    "::1::",
    "a.b.c.d",
  ])
    expect([text, isAddress(text)]).toEqual([text, false]);
  for (const text of ["1.2.3.4", "::1", "fd00::", "::ffff:1.2.3.4"])
    expect([text, isAddress(text)]).toEqual([text, true]);
});

test("overlap", () => {
  expect(overlap(cidr("10.0.0.0/8"), cidr("10.92.3.0/24"))).toBe(true);
  expect(overlap(cidr("10.92.3.0/24"), cidr("10.0.0.0/8"))).toBe(true);
  expect(overlap(cidr("10.92.2.0/24"), cidr("10.92.3.0/24"))).toBe(false);
  expect(overlap(cidr("10.92.2.0/23"), cidr("10.92.3.0/24"))).toBe(true);
  expect(overlap(cidr("0.0.0.0/0"), cidr("192.168.0.0/16"))).toBe(true);
  expect(overlap(cidr("::/0"), cidr("192.168.0.0/16"))).toBe(false);
  expect(overlap(cidr("fd00::/64"), cidr("fd00:0:0:1::/64"))).toBe(false);
});

test("addresses in a subnet", () => {
  const subnet = cidr("10.92.0.0/16");
  expect(formatAddress(addressAt(subnet, 1))).toBe("10.92.0.1");
  expect(formatAddress(addressAt(subnet, 256))).toBe("10.92.1.0");
  expect(formatAddress(broadcastOf(subnet))).toBe("10.92.255.255");
  expect(formatAddress(broadcastOf(cidr("10.92.0.128/25")))).toBe("10.92.0.255");
  expect(formatAddress(addressAt(cidr("fd00::/64"), 1))).toBe("fd00::1");
  expect(contains(subnet, addressBytes("10.92.255.255"))).toBe(true);
  expect(contains(subnet, addressBytes("10.93.0.0"))).toBe(false);
  expect(contains(subnet, addressBytes("fd00::"))).toBe(false);
  expect(covers(subnet, cidr("10.92.1.0/24"))).toBe(true);
  expect(covers(cidr("10.92.1.0/24"), subnet)).toBe(false);
});

test("subnets of a pool", () => {
  const all = [...subnetsOf(cidr("10.92.0.0/14"), 24)];
  expect(all.length).toBe(1024);
  expect([0, 1, 256, 1023].map((i) => formatCidr(all[i] ?? cidr("0.0.0.0/0")))).toEqual([
    "10.92.0.0/24",
    "10.92.1.0/24",
    "10.93.0.0/24",
    "10.95.255.0/24",
  ]);
});

test("two subnets overlap exactly if one of them has an address of the other", () => {
  const any = fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 24, max: 32 })).map(([last, length]) => {
    const bytes = [10, 0, 0, last & ~(0xff >> (length - 24)) & 0xff];
    return { family: 4 as const, bytes, length };
  });
  fc.assert(
    fc.property(any, any, (a, b) => {
      const both = Array.from({ length: 256 }, (_, i) => [10, 0, 0, i]);
      expect(overlap(a, b)).toBe(both.some((address) => contains(a, address) && contains(b, address)));
    }),
  );
});

test("a container's address of IPv6 tells its address of IPv4", () => {
  expect(addressWithin("fd12:3456:789a:1::/64", "10.92.0.2")).toBe("fd12:3456:789a:1::a5c:2");
});
