/** Addresses by DHCP beside networks that come and go: what the server says later is put into what is there by then. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { type DhcpServer, dnsmasq, hasDnsmasq } from "../dhcpserver.ts";
import { watchLeaks } from "../leaks.ts";
import { NEIGHBOUR, NetHost } from "../nethost.ts";
import { STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
let server: DhcpServer | undefined;
const MORE = ["--dhcp-option=6,203.0.113.9", "--dhcp-option=15,lan.example"];
const SERVED = "nameserver 203.0.113.9\nsearch lan.example\n";
beforeAll(async () => {
  h = new NetHost();
  for (const [n, name] of [
    [1, "front"],
    [2, "back"],
  ] as const)
    must("network", "create", "--ipv6=false", "--subnet", `10.92.${n}.0/24`, name);
  must("network", "create", "--ipv6=false", "--internal", "--subnet", "10.92.3.0/24", "inner");
  h.server("other", "--network", "inner"); // as long as it runs the resolver stays
  await Bun.sleep(200); // the resolver has a plan of its own, some 20 ms after it answers
  await until(() => readdirSync(`${STATE}/runs`).length === 1, "the resolver to have begun");
});
afterAll(() => {
  h.vitrine("rm", "-f", "other");
  h.close();
});
afterEach(async () => {
  h.vitrine("rm", "-f", "web");
  await until(() => clients().length === 0, "the client ends");
  await server?.close();
  server = undefined;
});
watchLeaks();

function must(...args: string[]): void {
  const { status, stderr } = h.vitrine(...args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
}

function clients(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false;
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return command.includes("udhcpc") && command.includes(STATE);
    } catch {
      return false;
    }
  });
}

const inside = (script: string) => h.vitrine("exec", "web", "sh", "-c", script).stdout;
const addresses = () =>
  [...inside("ip -4 -o addr show").matchAll(/inet (\d+\.\d+\.\d+\.\d+)/g)].map(([, ip = ""]) => ip).slice(1);
/** Lines of /etc/hosts with addresses of networks. */
const hosts = () =>
  [...inside("cat /etc/hosts").matchAll(/^(\d+\.\d+\.\d+\.\d+)\t(?!localhost)/gm)].map(([, ip = ""]) => ip);
const ways = () =>
  [...inside("ip route").matchAll(/^default via (\S+) dev (\S+)/gm)].map(([, via, dev]) => `${via} ${dev}`);

async function serve(range: string, ...more: string[]): Promise<void> {
  await server?.close();
  server = await dnsmasq(h, range, ...MORE, ...more);
}

/** The client, whether all is as it was. */
function ask(): void {
  const client = clients().find((pid) => readlinkSync(`/proc/${pid}/exe`).includes("busybox"));
  process.kill(Number(client), "SIGUSR1");
}

/** Another server has the network now. */
async function renewed(range: string, ...more: string[]): Promise<void> {
  const [, prefix = ""] = /^(203\.0\.113\.1\d)/.exec(range) ?? [];
  await serve(range, ...more);
  ask();
  await until(() => addresses().some((ip) => ip.startsWith(prefix)), "it has another address");
  await until(() => hosts().some((ip) => ip.startsWith(prefix)), "and knows it");
}

const FIRST = "203.0.113.100,203.0.113.105";
const SECOND = "203.0.113.130,203.0.113.135";
const THIRD = "203.0.113.160,203.0.113.165";

describe.if(hasDnsmasq)("with dnsmasq as the server (dnsmasq-base has to be installed)", () => {
  test("/etc/hosts and resolv.conf are those of the networks that it is on by then", async () => {
    await serve(FIRST);
    h.server("web", "--network", "macvlan:ext:ip=dhcp");
    expect(inside("cat /etc/resolv.conf")).toBe(SERVED);
    const [first = ""] = addresses();
    must("network", "connect", "inner", "web");
    expect(hosts()).toEqual([first, "10.92.3.3"]);
    expect(inside("cat /etc/resolv.conf")).toContain("nameserver 10.92.3.1\n");
    await renewed(SECOND);
    const [second = ""] = addresses();
    expect(second).toMatch(/^203\.0\.113\.13\d$/);
    expect(hosts().sort()).toEqual(["10.92.3.3", second]);
    expect(inside("cat /etc/resolv.conf")).toContain("nameserver 10.92.3.1\n");
    must("network", "disconnect", "inner", "web");
    expect(hosts()).toEqual([second]);
    expect(inside("cat /etc/resolv.conf")).toBe(SERVED);
    await renewed(THIRD, "--dhcp-option=6,203.0.113.8");
    expect(hosts()).toEqual(addresses());
  });

  test("name servers that the server tells of later are taken, what somebody has written stays", async () => {
    await serve(FIRST);
    h.server("web", "--network", "macvlan:ext:ip=dhcp");
    expect(inside("cat /etc/resolv.conf")).toBe(SERVED);
    await serve(SECOND);
    await server?.close();
    server = await dnsmasq(h, SECOND, "--dhcp-option=6,203.0.113.8", "--dhcp-option=15,other.example");
    ask();
    await until(
      () => inside("cat /etc/resolv.conf") === "nameserver 203.0.113.8\nsearch other.example\n",
      "it follows",
    );
    inside("echo nameserver 192.0.2.77 > /etc/resolv.conf; echo '192.0.2.78 mine' >> /etc/hosts");
    await renewed(THIRD);
    expect(inside("cat /etc/resolv.conf")).toBe("nameserver 192.0.2.77\n");
    expect(inside("cat /etc/hosts")).toContain("192.0.2.78 mine\n");
    must("network", "connect", "inner", "web");
    must("network", "disconnect", "inner", "web");
    expect(inside("cat /etc/resolv.conf")).toBe("nameserver 192.0.2.77\n");
  });

  test("the default route goes by DHCP when no network has one to give any more, and follows the server", async () => {
    await serve(FIRST);
    h.server("web", "--network", "front", "--network", "macvlan:ext:ip=dhcp,interface=lan0");
    expect(ways()).toEqual(["10.92.1.1 eth0"]);
    must("network", "connect", "back", "web");
    must("network", "disconnect", "front", "web");
    expect(ways()).toEqual([expect.stringMatching(/^10\.92\.2\.1 /)]);
    must("network", "connect", "inner", "web");
    must("network", "disconnect", "back", "web");
    expect(ways()).toEqual([`${NEIGHBOUR} lan0`]);
    await renewed(SECOND, "--dhcp-option=3,203.0.113.8");
    expect(ways()).toEqual(["203.0.113.8 lan0"]);
    must("network", "connect", "front", "web"); // it keeps the way that it has
    expect(ways()).toEqual(["203.0.113.8 lan0"]);
    await serve(SECOND, "--dhcp-option=3,203.0.113.6");
    ask();
    await until(() => ways()[0] === "203.0.113.6 lan0", "it follows the server"); // with the same address
    await renewed(THIRD, "--dhcp-option=3,203.0.113.7");
    expect(ways()).toEqual([expect.stringMatching(/^10\.92\.1\.1 /)]); // for a moment it had no address
    must("network", "disconnect", "front", "web");
    expect(ways()).toEqual(["203.0.113.7 lan0"]);
    must("network", "connect", "front", "web");
    must("restart", "-t", "0", "web"); // as it would be started anew
    expect(ways()).toEqual([expect.stringMatching(/^10\.92\.1\.1 /)]);
  });

  test("a route by another network stays there when the server gives another gateway", async () => {
    await serve(FIRST);
    h.server("web", "--network", "front", "--network", "macvlan:ext:ip=dhcp,interface=lan0");
    await renewed(SECOND, "--dhcp-option=3,203.0.113.8");
    expect(ways()).toEqual(["10.92.1.1 eth0"]);
  });
});
