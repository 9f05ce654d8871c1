import { expect, test } from "bun:test";
import { addressOfReverse } from "./resolve.ts";
import { parseResolvConf } from "./upstream.ts";

test("addresses in names of the reverse tree", () => {
  expect(addressOfReverse("2.1.92.10.in-addr.arpa")).toEqual([10, 92, 1, 2]);
  const digits = "2.0.1.0.c.5.a.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.2.1.d.f";
  expect(addressOfReverse(`${digits}.ip6.arpa`)).toEqual([0xfd, 0x12, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0x0a, 0x5c, 1, 2]);
  for (const name of [
    "1.92.10.in-addr.arpa",
    "256.1.92.10.in-addr.arpa",
    "x.in-addr.arpa",
    "1.ip6.arpa",
    "in-addr.arpa",
    "",
  ])
    expect([name, addressOfReverse(name)]).toEqual([name, undefined]);
});

test("resolv.conf(5)", () => {
  const text = `# written by hand
search example.com
nameserver 192.0.2.1   # first
nameserver\tfe80::1%eth0
;nameserver 192.0.2.9
nameserver name.example
nameserver 192.0.2.2
nameserver 192.0.2.3
options timeout:3 attempts:1 rotate
`;
  expect(parseResolvConf(text)).toEqual({
    servers: ["192.0.2.1", "fe80::1%eth0", "192.0.2.2"],
    timeoutMs: 3000,
    attempts: 1,
  });
  expect(parseResolvConf("")).toEqual({ servers: [], timeoutMs: 2000, attempts: 2 });
  expect(parseResolvConf("options timeout:0 attempts:99 timeout\n")).toEqual({
    servers: [],
    timeoutMs: 2000,
    attempts: 2,
  });
});
