import { expect, test } from "bun:test";
import { type NspawnFlags, withNspawn } from "./nspawnnetworks.ts";

const words = (asked: string[], flags: Partial<NspawnFlags>) =>
  withNspawn(asked, { veth: false, macvlan: [], bridge: [], interfaces: [], ...flags });

test("each flag, without networks", () => {
  expect(words([], {})).toEqual([]);
  expect(words(["none"], {})).toEqual(["none"]);
  expect(words([], { veth: true })).toEqual(["veth:interface=host0"]);
  expect(words(["none"], { veth: true })).toEqual(["veth:interface=host0"]);
  expect(words([], { bridge: ["br0"], veth: true })).toEqual(["port:br0:interface=host0"]);
  expect(words([], { macvlan: ["eth0", "enp0s31f6f1np1", "eth1:lan0"] })).toEqual([
    "macvlan:eth0:interface=mv-eth0",
    expect.stringMatching(/^macvlan:enp0s31f6f1np1:interface=mv-enp0s31f[A-Za-z0-9_-]{4}$/),
    "macvlan:eth1:interface=lan0",
  ]);
  expect(words([], { interfaces: ["eth1", "eth2:wan0"] })).toEqual([
    "interface:eth1:interface=eth1",
    "interface:eth2:interface=wan0",
  ]);
});

test("with networks: they stay, and --network-veth names the devices of the first", () => {
  const names = "interface=host0,host_interface=ve-";
  expect(words(["front", "back"], { veth: true })).toEqual([`front:${names}`, "back"]);
  expect(words(["front:ip=10.92.0.7"], { veth: true })).toEqual([`front:ip=10.92.0.7,${names}`]);
  expect(words(["name=front"], { veth: true })).toEqual([`name=front,${names}`]);
  expect(words(["macvlan:eth0"], { veth: true })).toEqual(["macvlan:eth0", "veth:interface=host0"]);
  expect(words(["front"], { interfaces: ["eth1"] })).toEqual(["front", "interface:eth1:interface=eth1"]);
});

test.each([
  [{ bridge: ["a", "b"] }, "given twice"],
  [{ bridge: [""] }, "names no device"],
  [{ macvlan: ["eth0:"] }, "not DEVICE[:NAME]"],
  [{ interfaces: ["a:b:c"] }, "not DEVICE[:NAME]"],
])("%p is refused", (flags, why) => expect(() => words([], flags)).toThrow(why));
