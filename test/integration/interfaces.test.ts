/** Devices of the host in containers, and systemd-nspawn's names for those that are made. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { dnsmasq, hasDnsmasq } from "../dhcpserver.ts";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, NEIGHBOUR, NetHost } from "../nethost.ts";
import { busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  await h.serve(`${NEIGHBOUR}:7000`);
  // A second cable to the neighbour, of which nobody on the host has need.
  h.ip("link", "add", "leg", "type", "veth", "peer", "name", "leg", "netns", h.out);
  h.exec(["ip", "addr", "add", "198.51.100.9/24", "dev", "leg"], "out");
  h.exec(["ip", "link", "set", "leg", "up"], "out");
  h.ip("link", "set", "leg", "up");
  await h.serve("198.51.100.9:7000");
});
afterAll(() => h.close());
afterEach(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n");
  if (left[0] !== "") h.vitrine("rm", "-f", ...left.filter((id) => id !== ""));
});
watchLeaks();

/** Each with "up" or "down"; what a pair's other end is called is left out. */
const links = () =>
  h
    .exec(["ip", "-o", "link"])
    .stdout.trim()
    .split("\n")
    .map((line) =>
      line.replace(
        /^\d+: ([^:@]+)\S* <([^>]*)>.*$/,
        (_, name, flags) => `${name} ${flags.split(",").includes("UP") ? "up" : "down"}`,
      ),
    );
const names = () => links().map((line) => line.split(" ")[0]);
const lastLine = (text: string) => text.trim().split("\n").at(-1);
const sleeps = (...flags: string[]) => {
  const { stderr, status } = h.vitrine("run", "-d", ...flags, "--rootfs", busybox(), "sleep", "1000");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
};

describe("--network-interface", () => {
  const LEG = ["--network", "interface:leg:ip=198.51.100.7/24"];

  test("is the container's while it runs, and the host's again behind it", async () => {
    const before = links();
    expect(before).toContain("leg up");
    const { stdout, stderr } = h.shell(`ip addr show leg; ${asking("198.51.100.9:7000")}`, ...LEG);
    expect(stderr).toBe("");
    expect(stdout).toContain("inet 198.51.100.7/24");
    expect(lastLine(stdout)).toBe("198.51.100.7");
    expect(links()).toEqual(before);
    sleeps("--name", "web", "--network-interface", "leg:wan0");
    expect(names()).not.toContain("leg");
    expect(
      h.vitrine("exec", "web", "ip", "-br", "link").stdout + h.vitrine("exec", "web", "ip", "link").stdout,
    ).toContain("wan0");
    const told = JSON.parse(h.vitrine("inspect", "web").stdout)[0].NetworkSettings.Networks["interface:leg"];
    expect(told.MacAddress).toMatch(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(h.vitrine("stop", "-t", "0", "web").stderr).toBe("");
    expect(links()).toEqual(before);
    expect(h.vitrine("start", "web").stderr).toBe(""); // and once more
    expect(names()).not.toContain("leg");
    h.vitrine("rm", "-f", "web");
    expect(links()).toEqual(before);
  });

  test("also after a start that fails, and after kill -9 of whoever holds it", async () => {
    const before = links();
    expect(h.vitrine("run", "--rm", ...LEG, "--rootfs", busybox(), "/no/such/program").status).toBe(127);
    expect(links()).toEqual(before);
    sleeps("--name", "web", "--network-interface", "leg:wan0");
    const [run] = listRuns({ root: ROOT, state: STATE });
    if (!run) throw new Error("nothing runs");
    process.kill(holderOf(run).pid, "SIGKILL");
    await until(() => h.vitrine("ps", "-q").stdout === "", "it is seen to have ended");
    expect(links()).toEqual(before);
    expect(readdirSync(`${STATE}/runs`)).toEqual([]);
    h.vitrine("rm", "web");
  });

  test("its name on the host is another's meanwhile: it comes back under the one that it had inside", () => {
    sleeps("--name", "web", "--network-interface", "leg:wan0");
    h.ip("link", "add", "leg", "type", "bridge");
    h.vitrine("rm", "-f", "web");
    expect(names()).toContain("wan0");
    h.ip("link", "del", "leg");
    h.ip("link", "set", "wan0", "down");
    h.ip("link", "set", "wan0", "name", "leg");
    h.ip("link", "set", "leg", "up");
  });

  test("with an address by DHCP", async () => {
    if (!hasDnsmasq) return; // of dnsmasq-base
    const server = await dnsmasq(h, "198.51.100.20,198.51.100.30", "--interface=leg");
    try {
      const { stdout, stderr } = h.shell(
        "ip -4 -o addr show wan0; ip route",
        "--network-interface",
        "leg:wan0",
        "--ip",
        "dhcp",
      );
      expect(stderr).toBe("");
      expect(stdout).toMatch(/inet 198\.51\.100\.[23]\d\/24/);
      expect(stdout).toContain("default via 198.51.100.9 dev wan0");
      await until(() => server.leases().size === 0, "the address is given back");
      expect(names()).toContain("leg");
    } finally {
      await server.close();
    }
  });

  test("refused by name: not there, in use, a bridge, twice", () => {
    h.ip("link", "add", "br9", "type", "bridge");
    h.ip("link", "add", "pair", "type", "veth", "peer", "name", "riap");
    h.ip("link", "set", "pair", "master", "br9");
    const before = links();
    for (const [flags, why] of [
      [["--network-interface", "nothere"], 'this host has no network device "nothere"'],
      [["--network-interface", "0123456789abcdef"], "no name of a network device"],
      [["--network-interface", "ext"], `ext is in use: the host has the address ${HOST_OUTSIDE}`],
      [["--network-interface", "pair"], "pair is a port of a bridge"],
      [["--network-interface", "br9"], "a bridge stays where it is"],
      [["--network-interface", "lo"], "no name of a network device"],
      [["--network-interface", "leg:"], "not DEVICE[:NAME]"],
      [["--network-interface", "leg", "--network-interface", "leg:b"], "interface:leg is given twice"],
      [["--network-interface", "leg", "--network", "host"], "both"],
      [["--network", "interface:leg:mac=02:00:00:00:00:01"], "keeps its MAC address"],
    ] as const) {
      const { status, stderr } = h.shell("true", ...flags);
      expect({ flags, status, why: stderr }).toEqual({ flags, status: 125, why: expect.stringContaining(why) });
    }
    sleeps("--name", "web", "--network-interface", "leg");
    expect(h.shell("true", "--network-interface", "leg").stderr).toContain("no network device");
    h.vitrine("rm", "-f", "web");
    expect(links()).toEqual(before);
    h.ip("link", "del", "pair");
    h.ip("link", "del", "br9");
  });
});

describe("systemd-nspawn's names", () => {
  test("--network-veth: ve-NAME on the host, host0 inside; nobody gives it an address", async () => {
    sleeps("--name", "mycontainer", "--network-veth");
    expect(h.exec(["ip", "-d", "link", "show", "ve-mycontainer"]).stdout).toContain("veth");
    const inside = h.vitrine("exec", "mycontainer", "ip", "addr", "show", "host0").stdout;
    expect(inside).toContain("UP");
    expect(inside).not.toContain("inet ");
    const heeds = (device: string) => h.exec(["cat", `/proc/sys/net/ipv6/conf/${device}/accept_ra`]).stdout;
    expect([heeds("ve-mycontainer"), heeds("ext")]).toEqual(["0\n", "1\n"]); // "ext": the control
    h.vitrine("rm", "-f", "mycontainer");
    await until(() => !names().includes("ve-mycontainer"), "it goes");
    const ip = ["--network", "veth:ip=192.168.77.2/24,interface=host0"];
    h.server("web", ...ip);
    h.ip("addr", "add", "192.168.77.1/24", "dev", "ve-web");
    expect(h.ask("192.168.77.2")).toBe("192.168.77.1");
  });

  test("names that are too long end with nspawn's hash; each container has its own, and one that is taken is told", () => {
    const long = ["container-with-a-long-name-1", "container-with-a-long-name-2"];
    for (const name of long) sleeps("--name", name, "--network-veth");
    const made = names().filter((name) => name?.startsWith("ve-containe"));
    expect(made.map((name) => name?.length)).toEqual([15, 15]);
    expect(new Set(made).size).toBe(2);
    h.ip("link", "add", "ve-taken", "type", "bridge");
    const { status, stderr } = h.shell("true", "--name", "taken", "--network-veth");
    expect(status).toBe(125);
    expect(stderr).toContain("RTM_NEWLINK ve-taken");
    expect(stderr).toContain("a device of this name already");
    h.ip("link", "del", "ve-taken");
  });

  test("--network-macvlan: mv-PARENT inside", () => {
    const { stdout, stderr } = h.shell(
      `ip addr show mv-ext; ${asking(`${NEIGHBOUR}:7000`)}`,
      ...["--network-macvlan", "ext", "--ip", "203.0.113.44/24"],
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("mv-ext@");
    expect(lastLine(stdout)).toBe("203.0.113.44");
    expect(h.shell("ip link show lan0", "--network-macvlan", "ext:lan0").status).toBe(0);
    expect(h.shell("true", "--network-macvlan", "nothere").stderr).toContain('no network device "nothere"');
  });

  test("--network-bridge: vb-NAME is a port of a bridge that is there, host0 inside", () => {
    h.ip("link", "add", "br0", "type", "bridge");
    h.ip("addr", "add", "192.168.66.1/24", "dev", "br0");
    h.ip("link", "set", "br0", "up");
    h.server("web", "--network-bridge", "br0", "--ip", "192.168.66.2/24");
    expect(h.exec(["ip", "-br", "link", "show", "master", "br0"]).stdout).toStartWith("vb-web@");
    expect(h.ask("192.168.66.2")).toBe("192.168.66.1");
    const beside = ["--network", "port:br0:ip=192.168.66.3/24,gateway=192.168.66.1"];
    expect(h.shell(asking("192.168.66.2"), ...beside).stdout.trim()).toBe("192.168.66.3");
    h.vitrine("rm", "-f", "web");
    h.ip("link", "del", "br0");
    expect(h.shell("true", "--network-bridge", "ext").stderr).toContain("ext is no bridge");
    expect(h.shell("true", "--network-bridge", "br0").stderr).toContain('no network device "br0"');
    h.vitrine("network", "create", "--disable-dns", "--interface-name", "mybr", "mine");
    h.shell("true", "--network", "mine");
    expect(h.shell("true", "--network-bridge", "mybr").stderr).toContain("mybr is of network mine");
    expect(h.vitrine("network", "rm", "mine").stderr).toBe("");
  });

  test("the article's example: bridge mybr, 192.168.200.0/24, ve-mycontainer and host0; out it reaches, in nothing comes", async () => {
    const subnet = ["--subnet", "192.168.200.0/24", "--gateway", "192.168.200.1"];
    expect(h.vitrine("network", "create", "--interface-name", "mybr", ...subnet, "mynet").stderr).toBe("");
    h.server("mycontainer", "--network", "mynet", "--network-veth");
    const inside = (...command: string[]) => h.vitrine("exec", "mycontainer", ...command).stdout;
    const made = () => {
      expect(h.exec(["ip", "-4", "-o", "addr", "show", "mybr"]).stdout).toContain("inet 192.168.200.1/24");
      expect(h.exec(["ip", "-br", "link", "show", "master", "mybr"]).stdout).toMatch(/^ve-mycontainer@/);
      expect(inside("ip", "-4", "-o", "addr", "show", "host0")).toContain("inet 192.168.200.2/24");
      expect(inside("ip", "route")).toContain("default via 192.168.200.1 dev host0");
      expect(inside("sh", "-c", asking(`${NEIGHBOUR}:7000`)).trim()).toBe(HOST_OUTSIDE); // masquerade
      expect(h.ask("192.168.200.2")).toBe("192.168.200.1"); // the host itself reaches it
    };
    made();
    h.exec(["ip", "route", "add", "192.168.200.0/24", "via", HOST_OUTSIDE], "out");
    expect(h.ask("192.168.200.2", "out")).toBe("");
    expect(h.vitrine("stop", "-t", "0", "mycontainer").stderr).toBe("");
    await until(() => !names().includes("ve-mycontainer"), "the pair is gone, and the bridge's port with it");
    expect(names()).toContain("mybr");
    expect(h.vitrine("start", "mycontainer").stderr).toBe(""); // nobody has to set anything up again
    made();
    h.vitrine("rm", "-f", "mycontainer");
    h.exec(["ip", "route", "del", "192.168.200.0/24"], "out");
    expect(h.vitrine("network", "rm", "mynet").stderr).toBe("");
    expect(names()).not.toContain("mybr");
    await until(
      () => !h.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).stdout.includes(`${STATE}\0network\0resolve`),
      "the resolver ends",
      15_000,
    );
  });
});
