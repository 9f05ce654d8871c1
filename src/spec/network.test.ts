import { expect, test } from "bun:test";
import { checkDeviceName, type NetworkAsked, readNetworkAsked } from "./network.ts";

const ask = (more: Partial<NetworkAsked> = {}) =>
  readNetworkAsked({
    name: "net",
    subnets: [],
    gateways: [],
    ranges: [],
    internal: false,
    dns: true,
    labels: [],
    options: [],
    ...more,
  });

test("nothing asked for", () => {
  expect(ask()).toEqual({
    name: "net",
    driver: "bridge",
    v4: undefined,
    v6: undefined,
    ipv6: undefined,
    internal: false,
    names: true,
    masquerade: true,
    mtu: undefined,
    gsoMaxSize: undefined,
    device: undefined,
    parent: undefined,
    mode: undefined,
    labels: {},
    options: {},
  });
});

test("gateways and ranges go to the subnet they lie in", () => {
  const { v4, v6, ipv6 } = ask({
    subnets: ["fd12::/64", "192.168.200.0/24"],
    gateways: ["192.168.200.254", "fd12::fe"],
    ranges: ["192.168.200.128/25"],
  });
  expect(v4).toMatchObject({ gateway: "192.168.200.254", range: "192.168.200.128/25" });
  expect(v6).toMatchObject({ gateway: "fd12::fe" });
  expect(ipv6).toBe(true);
  expect(ask({ subnets: ["192.168.200.0/24"] }).v4?.gateway).toBe("192.168.200.1");
});

test("an internal network is not masqueraded", () => {
  expect(ask({ internal: true }).masquerade).toBe(false);
});

test("packets on an internal network may be large, and on others if it is asked for", () => {
  expect(ask({ internal: true }).gsoMaxSize).toBe(196_608);
  expect(ask({ internal: true, options: ["gso_max_size=65536"] }).gsoMaxSize).toBe(65_536);
  expect(ask({ options: ["gso_max_size=524280"] }).gsoMaxSize).toBe(524_280);
  const macvlan = ask({ driver: "macvlan", internal: true, options: ["parent=eth0"] });
  expect(macvlan.gsoMaxSize).toBeUndefined();
});

test("macvlan", () => {
  const { driver, parent, mode, names, masquerade } = ask({ driver: "macvlan", options: ["parent=eth0"] });
  expect({ driver, parent, mode, names, masquerade }).toEqual({
    driver: "macvlan",
    parent: "eth0",
    mode: "bridge",
    names: false,
    masquerade: false,
  });
  expect(ask({ driver: "macvlan", options: ["parent=eth0", "macvlan_mode=private"] }).mode).toBe("private");
});

test.each<[Partial<NetworkAsked>, string]>([
  [{ name: "" }, "no name of a network"],
  [{ name: "../x" }, "no name of a network"],
  [{ name: "--x" }, "no name of a network"],
  [{ name: "x".repeat(129) }, "no name of a network"],
  [{ name: "host" }, "meaning of its own"],
  [{ name: "bridge" }, "meaning of its own"],
  [{ driver: "overlay" }, 'driver "overlay"'],
  [{ subnets: ["10.0.0.0/24", "10.0.1.0/24"] }, "two of IPv4"],
  [{ subnets: ["10.0.0.0/31"] }, "no room"],
  [{ subnets: ["10.0.0.0/7"] }, "too large|bits of hosts"],
  [{ subnets: ["fd00::/80"] }, "last half"],
  [{ subnets: ["127.0.0.0/8"] }, "no addresses for hosts"],
  [{ subnets: ["224.0.0.0/24"] }, "no addresses for hosts"],
  [{ subnets: ["fe80::/64"] }, "no addresses for hosts"],
  [{ gateways: ["10.0.0.1"] }, "in no --subnet"],
  [{ subnets: ["10.0.0.0/24"], gateways: ["10.0.1.1"] }, "in no --subnet"],
  [{ subnets: ["10.0.0.0/24"], gateways: ["10.0.0.0"] }, "the subnet itself"],
  [{ subnets: ["10.0.0.0/24"], gateways: ["10.0.0.255"] }, "broadcast"],
  [{ subnets: ["10.0.0.0/24"], gateways: ["10.0.0.2", "10.0.0.3"] }, "there is one"],
  [{ subnets: ["10.0.0.0/24", "fd00::/64"], gateways: ["fd00::a00:7"] }, "a container would have"],
  [{ subnets: ["10.0.0.0/24"], ranges: ["10.0.0.0/16"] }, "in no --subnet"],
  [{ subnets: ["fd00::/64"], ranges: ["fd00::/80"] }, "of IPv6 there is none"],
  [{ ipv6: false, subnets: ["fd00::/64"] }, "--ipv6=false"],
  [{ device: "a-name-that-is-too-long" }, "at most 15 bytes"],
  [{ device: "a", options: ["com.docker.network.bridge.name=b"] }, "two names"],
  [{ options: ["isolate=true"] }, "does not work here"],
  [{ options: ["parent=eth0"] }, "not known of bridge"],
  [{ options: ["constructor=1"] }, "not known of bridge"],
  [{ options: ["mtu=67"] }, "68 to 65535"],
  [{ options: ["mtu=x"] }, "68 to 65535"],
  [{ options: ["gso_max_size=2047"] }, "2048 to 524280"],
  [{ options: ["gso_max_size=524281"] }, "2048 to 524280"],
  [{ options: ["gso_max_size=64k"] }, "2048 to 524280"],
  [{ driver: "macvlan", options: ["parent=eth0", "gso_max_size=65536"] }, "not known of macvlan networks"],
  [{ options: ["com.docker.network.bridge.enable_ip_masquerade=maybe"] }, "neither true nor false"],
  [{ driver: "macvlan" }, "no parent"],
  [{ driver: "macvlan", device: "br0", options: ["parent=eth0"] }, "no device of its own"],
  [{ driver: "macvlan", options: ["parent=eth0", "mode=l2"] }, "no mode of macvlan"],
])("%j: refused", (more, why) => {
  expect(() => ask(more)).toThrow(new RegExp(why));
});

test("names of devices", () => {
  for (const name of ["br0", "ve-web", "eth0.10", "a".repeat(15)]) expect(checkDeviceName(name, "")).toBe(name);
  for (const name of ["", ".", "..", "a/b", "a b", "a:b", "%d", "-x", "lo", "ü", "a".repeat(16), "a\n"])
    expect(() => checkDeviceName(name, "--interface-name")).toThrow("--interface-name");
});
