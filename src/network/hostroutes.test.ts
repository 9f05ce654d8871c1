import { expect, test } from "bun:test";
import { formatCidr } from "../spec/subnet.ts";
import { type HostRoute, routes4, routes6 } from "./hostroutes.ts";

const told = (routes: readonly HostRoute[]) => routes.map(({ cidr, device }) => `${formatCidr(cidr)} ${device}`);

test("routes of IPv4, without the default route", () => {
  const text = `Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
br-x\t00C8A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wg0\t0100640A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0
`;
  expect(told(routes4(text))).toEqual(["10.0.0.0/24 eth0", "192.168.200.0/24 br-x", "10.100.0.1/32 wg0"]);
  expect(routes4("")).toEqual([]);
});

test("routes of IPv6, without what leads to devices themselves", () => {
  const line = (to: string, bits: string, device: string) =>
    `${to} ${bits} ${"0".repeat(32)} 00 ${"0".repeat(32)} 00000100 00000001 00000000 00000001     ${device}`;
  const text = [
    line("fd120000000000010000000000000000", "40", "vt-1"),
    line("fe800000000000000000000000000000", "40", "eth0"),
    line("00000000000000000000000000000000", "00", "eth0"),
    line("00000000000000000000000000000001", "80", "lo"),
    line("ff000000000000000000000000000000", "08", "eth0"),
    "",
  ].join("\n");
  expect(told(routes6(text))).toEqual(["fd12:0:0:1::/64 vt-1"]);
});
