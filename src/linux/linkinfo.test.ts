import { expect, test } from "bun:test";
import { isSameLink, linksIn, readLinkInfo } from "./linkinfo.ts";
import { linkHead, RTM_NEWLINK } from "./netlink.ts";
import { type Attribute, message, NLMSG_DONE, u32, zeroEnded } from "./netlinkmessage.ts";

const [ADDRESS, NAME, MTU, LINK, LINKINFO, NETNSID, PROPS, ALTNAME, PERMANENT, PARENT] = [
  1, 3, 4, 5, 18, 37, 52, 53, 54, 56,
] as const;

const link = (index: number, attributes: readonly Attribute[]) =>
  message(RTM_NEWLINK, 0, linkHead(index, true), attributes).bytes;
const kind = (name: string): Attribute => [LINKINFO, [[1, zeroEnded(name)]]];
const info = (index: number, ...attributes: Attribute[]) => {
  const found = readLinkInfo(link(index, attributes));
  if (!found) throw new Error("no link");
  return found;
};

test("names, settings and what it is", () => {
  const names: Attribute = [PROPS, [[ALTNAME, zeroEnded("wan")] as const, [ALTNAME, zeroEnded("internet")] as const]];
  expect(
    info(7, [NAME, zeroEnded("eth0")], [ADDRESS, Uint8Array.of(2, 0x42, 10, 0, 0, 1)], [MTU, u32(1400)], names),
  ).toMatchObject({
    index: 7,
    name: "eth0",
    mac: "02:42:0a:00:00:01",
    mtu: 1400,
    alternatives: ["wan", "internet"],
    up: true,
    loopback: false,
  });
  expect(info(2, kind("veth")).kind).toBe("veth");
  expect(readLinkInfo(message(NLMSG_DONE, 0, new Uint8Array(16), []).bytes)).toBeUndefined();
});

test("a list is whole or not taken", () => {
  const done = message(NLMSG_DONE, 0, new Uint8Array(4), []).bytes;
  const two = Buffer.concat([link(1, [[NAME, zeroEnded("lo")]]), link(2, [[NAME, zeroEnded("eth0")]])]);
  const last = Buffer.concat([link(3, [kind("veth")]), done]);
  expect(linksIn([two, last])?.map(({ index }) => index)).toEqual([1, 2, 3]);
  expect(linksIn([two])).toBeUndefined();
  expect(linksIn([two.subarray(0, two.length - 4), last])).toBeUndefined();
});

test("which device it is, whatever it is called and whatever its number is", () => {
  const peer = (at: number, namespace: number): Attribute[] => [
    kind("veth"),
    [LINK, u32(at)],
    [NETNSID, u32(namespace)],
  ];
  const noted = info(5, [NAME, zeroEnded("eth0")], [MTU, u32(1500)], ...peer(9, 0));
  expect(isSameLink(noted, info(77, [NAME, zeroEnded("mine")], [MTU, u32(1280)], ...peer(9, 0)))).toBe(true);
  for (const other of [
    info(5, [NAME, zeroEnded("eth0")], kind("veth"), [LINK, u32(9)]), // its other end is inside
    info(5, [NAME, zeroEnded("eth0")], ...peer(9, 1)),
    info(5, [NAME, zeroEnded("eth0")], ...peer(8, 0)),
    info(5, [NAME, zeroEnded("eth0")], kind("macvlan"), [LINK, u32(9)], [NETNSID, u32(0)]),
  ])
    expect(isSameLink(noted, other)).toBe(false);
});

test("hardware by what it is plugged into, software by its number, too", () => {
  const card = (port: number): Attribute[] => [
    [PERMANENT, Uint8Array.of(2, 0, 0, 0, 0, port)],
    [PARENT, zeroEnded("0000:00:03.0")],
  ];
  expect(isSameLink(info(3, ...card(1)), info(8, ...card(1)))).toBe(true);
  expect(isSameLink(info(3, ...card(1)), info(3, ...card(2)))).toBe(false);
  expect(isSameLink(info(3, kind("ifb")), info(3, kind("ifb")))).toBe(true);
  expect(isSameLink(info(3, kind("ifb")), info(8, kind("ifb")))).toBe(false);
});
