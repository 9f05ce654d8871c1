/** What the host's routes lead to already: in the caller's network namespace, all but the default routes. */
import { readFileSync } from "node:fs";
import type { Cidr } from "../spec/subnet.ts";

export interface HostRoute {
  readonly cidr: Cidr;
  readonly device: string;
}

export function hostRoutes(): HostRoute[] {
  return [...routes4(read("/proc/self/net/route")), ...routes6(read("/proc/self/net/ipv6_route"))];
}

/** Whether devices here are given IPv6 addresses. */
export function hasIpv6(): boolean {
  return read("/proc/sys/net/ipv6/conf/all/disable_ipv6").trim() === "0";
}

export const hasDevice = (name: string): boolean => deviceNames().includes(name);

/** All network devices here. */
export function deviceNames(): string[] {
  return read("/proc/self/net/dev")
    .split("\n")
    .flatMap((line) => (line.includes(":") ? [line.slice(0, line.lastIndexOf(":")).trim()] : []));
}

/** Numbers as they lie in memory: little endian. */
export function routes4(text: string): HostRoute[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const [device = "", destination = "", , , , , , mask = ""] = line.split("\t").map((word) => word.trim());
      const length = bits(mask);
      if (device === "" || length === 0) return [];
      return [{ device, cidr: { family: 4, bytes: fromHex(destination).reverse(), length } satisfies Cidr }];
    });
}

/** But what leads to devices themselves: loopback, link-local, multicast. */
export function routes6(text: string): HostRoute[] {
  return text.split("\n").flatMap((line) => {
    const [destination = "", digits = "", ...more] = line.trim().split(/\s+/);
    const device = more.at(-1) ?? "";
    const length = Number.parseInt(digits, 16);
    if (!/^[0-9a-f]{32}$/.test(destination) || !(length > 0) || device === "lo" || /^(fe[89ab]|ff)/.test(destination))
      return [];
    return [{ device, cidr: { family: 6, bytes: fromHex(destination), length } satisfies Cidr }];
  });
}

const fromHex = (text: string) => [...Buffer.from(text, "hex")];

const bits = (mask: string) =>
  fromHex(mask).reduce((sum, byte) => sum + byte.toString(2).replaceAll("0", "").length, 0);

function read(file: string): string {
  try {
    return readFileSync(file, "latin1");
  } catch {
    return ""; // a kernel without it
  }
}
