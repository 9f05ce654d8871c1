import { expect, test } from "bun:test";
import { eventOf, leaseIn } from "./dhcplease.ts";

test("what udhcpc says", () => {
  const env = {
    ip: "192.0.2.7",
    mask: "24",
    subnet: "255.255.255.0",
    router: "192.0.2.1 192.0.2.2",
    dns: "192.0.2.53 192.0.2.54",
    domain: "lan.example",
    lease: "3600",
    serverid: "192.0.2.1",
  };
  expect(leaseIn(env)).toEqual({
    address: "192.0.2.7",
    subnet: "192.0.2.0/24",
    gateway: "192.0.2.1",
    servers: ["192.0.2.53", "192.0.2.54"],
    search: ["lan.example"],
    seconds: 3600,
    server: "192.0.2.1",
  });
});

test("what dhclient says", () => {
  const env = {
    new_ip_address: "10.1.2.3",
    new_subnet_mask: "255.255.240.0",
    new_routers: "10.1.0.1",
    new_domain_name_servers: "10.1.0.1,10.1.0.2",
    new_domain_search: "a.example. b.example.",
    new_domain_name: "c.example",
    new_dhcp_lease_time: "600",
    new_dhcp_server_identifier: "10.1.0.1",
  };
  expect(leaseIn(env)).toMatchObject({
    subnet: "10.1.0.0/20",
    gateway: "10.1.0.1",
    servers: ["10.1.0.1", "10.1.0.2"],
    search: ["a.example.", "b.example."],
    seconds: 600,
  });
});

test.each(["", "192.0.2.300", "2001:db8::1", "0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "$(reboot)"])(
  "%p is no address of a container",
  (ip) => expect(() => leaseIn({ ip, mask: "24" })).toThrow("no address of a host"),
);

test("a server's word is never taken as it is", () => {
  const lease = leaseIn({
    ip: "192.0.2.7",
    subnet: "255.0.255.0",
    router: "192.0.2.7 x 192.0.2.1",
    dns: `nameserver 192.0.2.53\nx 2001:db8::53 ${"1.1.1.1 ".repeat(20)}`,
    domain: "ok.example\noptions x;rm -rf",
    lease: "-1",
    serverid: "evil",
  });
  expect(lease).toEqual({
    address: "192.0.2.7",
    subnet: "192.0.2.7/32",
    gateway: "192.0.2.1",
    servers: ["192.0.2.53", ...new Array(5).fill("1.1.1.1")],
    search: ["ok.example", "options"],
    seconds: 0,
    server: "",
  });
});

test("what has happened", () => {
  expect(eventOf("bound", {})).toBe("lease");
  expect(eventOf("renew", {})).toBe("lease");
  expect(eventOf("deconfig", {})).toBe("lost");
  expect(eventOf("leasefail", {})).toBe("other");
  expect(eventOf("nak", {})).toBe("other");
  for (const reason of ["BOUND", "RENEW", "REBIND", "REBOOT"]) expect(eventOf(undefined, { reason })).toBe("lease");
  for (const reason of ["EXPIRE", "RELEASE", "STOP"]) expect(eventOf(undefined, { reason })).toBe("lost");
  for (const reason of ["PREINIT", "FAIL", "TIMEOUT", undefined]) expect(eventOf(undefined, { reason })).toBe("other");
});
