/** IPv6 routers that advertise themselves on a network: ignored, unless they are asked for. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { NetHost } from "../nethost.ts";
import { busybox, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  const flags = [
    "--disable-dns",
    "--subnet",
    "10.92.7.0/24",
    "--subnet",
    "fd92:7::/64",
    "-o",
    "com.docker.network.bridge.name=br-ra",
  ];
  expect(h.vitrine("network", "create", ...flags, "front").stderr).toBe("");
});
afterAll(() => h.close());
watchLeaks();

/** RFC 4861, 4.2: hop limit 64, lifetime 1800 s; 4.6.2: prefix 2001:db8:77::/64, on the link, for addresses. */
const ADVERTISEMENT = `
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"br-ra")
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
prefix = struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 86400, 14400, 0, socket.inet_pton(socket.AF_INET6, "2001:db8:77::"))
s.sendto(router + prefix, ("ff02::1", 0, 0, socket.if_nametoindex("br-ra")))
`;
const advertise = () => expect(h.exec(["python3", "-c", ADVERTISEMENT]).stderr).toBe("");
const of = (name: string, ...words: string[]) => h.vitrine("exec", name, "ip", "-6", ...words).stdout;

test("who asks heeds them, its neighbour does not", async () => {
  const run = (name: string, ...flags: string[]) =>
    h.vitrine("run", "-d", "--name", name, "--network", "front", ...flags, "--rootfs", busybox(), "sleep", "100");
  expect(run("deaf").stderr).toBe("");
  expect(run("asks", "--sysctl", "net.ipv6.conf.eth0.accept_ra=1").stderr).toBe("");
  const [addresses, routes] = [of("deaf", "addr"), of("deaf", "route")];
  expect(routes).toMatch(/default via fd92:7::1/);
  await until(() => {
    advertise();
    return of("asks", "addr").includes("inet6 2001:db8:77:");
  }, "an address by the router's prefix");
  expect(of("asks", "route")).toMatch(/default via fe80::\S+ dev eth0/);
  expect(of("deaf", "addr").replaceAll(" tentative", "")).toBe(addresses.replaceAll(" tentative", ""));
  expect(of("deaf", "route")).toBe(routes);
  expect(h.vitrine("rm", "-f", "deaf", "asks").stderr).toBe("");
});
