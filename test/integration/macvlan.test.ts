/** Containers that lie on a device of the host: macvlan without a network of the engine, and all of its modes with one. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { asking, NEIGHBOUR, NEIGHBOUR6, NetHost } from "../nethost.ts";
import { busybox, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  await h.serve(`${NEIGHBOUR}:7000`);
  await h.serve(`[${NEIGHBOUR6}]:7000`);
});
afterAll(() => h.close());
afterEach(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n");
  if (left[0] !== "") h.vitrine("rm", "-f", ...left.filter((id) => id !== ""));
});
watchLeaks();

const asks = asking(`${NEIGHBOUR}:7000`);
const lastLine = (text: string) => text.trim().split("\n").at(-1);
const links = () => h.exec(["ip", "-o", "link"]).stdout;

describe("macvlan:PARENT, without a network", () => {
  test("address, gateway, MAC and name as they were asked for; the neighbour sees it as it is", () => {
    const asked = `ip=203.0.113.50/24,gateway=${NEIGHBOUR},mac=02:00:00:00:00:50,interface=lan0`;
    const script = `ip addr show lan0; ip route; cat /etc/hosts; ${asks}`;
    const { stdout, stderr } = h.shell(script, "--network", `macvlan:ext:${asked}`, "--hostname", "web");
    expect(stderr).toBe("");
    expect(stdout).toContain("inet 203.0.113.50/24 brd 203.0.113.255");
    expect(stdout).toContain("link/ether 02:00:00:00:00:50");
    expect(stdout).toContain(`default via ${NEIGHBOUR} dev lan0`);
    expect(stdout).toContain("203.0.113.50\tweb");
    expect(lastLine(stdout)).toBe("203.0.113.50");
  });

  test("IPv6; and flags that say it of the only one", () => {
    const six = asking(`[${NEIGHBOUR6}]:7000`);
    const both = h.shell(six, "--network", "macvlan:ext", "--ip6", "2001:db8::50/64", "--ip", "203.0.113.50/24");
    expect({ error: both.stderr, seen: lastLine(both.stdout) }).toEqual({ error: "", seen: "2001:db8::50" });
  });

  test("without an address: the device is up, with a MAC address that stays the container's own", () => {
    const flags = ["--name", "bare", "--network", "macvlan:ext"];
    const mac = (text: string) => /link\/ether (\S+)/.exec(text)?.[1] ?? "none";
    const first = h.vitrine("run", ...flags, "--rootfs", busybox(), "ip", "addr", "show", "eth0");
    expect(first.stderr).toBe("");
    expect(first.stdout).toContain("LOWER_UP");
    expect(first.stdout).not.toContain("inet ");
    const again = h.vitrine("start", "-a", "bare");
    expect(mac(again.stdout)).toBe(mac(first.stdout));
    expect(mac(first.stdout)).toStartWith("02:42:f");
    expect(mac(h.shell("ip addr show eth0", "--network", "macvlan:ext").stdout)).not.toBe(mac(first.stdout));
  });

  test("modes: neighbours on the parent reach each other in bridge, not in private and vepa; passthru has the parent for itself", () => {
    const from = (mode: string) =>
      h.shell(asking("203.0.113.60"), "--network", `macvlan:ext:mode=${mode},ip=203.0.113.61/24`).stdout.trim();
    for (const [mode, reached] of [
      ["bridge", "203.0.113.61"],
      ["private", ""],
      ["vepa", ""],
    ] as const) {
      h.server("web", "--network", `macvlan:ext:mode=${mode},ip=203.0.113.60/24`);
      expect([mode, h.ask("203.0.113.60", "out")]).toEqual([mode, NEIGHBOUR]);
      expect([mode, from(mode)]).toEqual([mode, reached]);
      h.vitrine("rm", "-f", "web");
    }
    const parent = /link\/ether (\S+)/.exec(h.exec(["ip", "link", "show", "ext"]).stdout)?.[1] ?? "none";
    const flags = ["--network", "macvlan:ext:mode=passthru,ip=203.0.113.60/24"];
    h.server("web", ...flags);
    expect(h.ask("203.0.113.60", "out")).toBe(NEIGHBOUR);
    expect(h.vitrine("inspect", "-f", "{{.NetworkSettings.MacAddress}}", "web").stdout.trim()).toBe(parent);
    const second = h.shell("true", "--network", "macvlan:ext");
    expect(second.status).toBe(125);
    expect(second.stderr).toContain("a macvlan of ext");
    expect(second.stderr).toContain("mode passthru");
  });

  describe("another macvlan of the parent has the MAC address", () => {
    const hold = (mac: string) => {
      h.exec(["ip", "link", "add", "link", "ext", "name", "held", "address", mac, "type", "macvlan", "mode", "bridge"]);
      expect(h.exec(["ip", "link", "set", "held", "up"]).stderr).toBe("");
    };
    const release = () => h.exec(["ip", "link", "del", "held"]);
    const flags = ["--network", "macvlan:ext:ip=203.0.113.71/24,mac=02:00:00:00:00:71"];
    afterEach(() => void release());

    test("that of who has just ended: the start waits until it has gone", async () => {
      hold("02:00:00:00:00:71");
      const began = performance.now();
      const gone = spawn("ip", ["netns", "exec", h.host, "sh", "-c", "sleep 0.5; ip link del held"]);
      const { status, stdout, stderr } = h.shell("ip addr show eth0", ...flags);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
      expect(stdout).toContain("inet 203.0.113.71/24");
      expect(performance.now() - began).toBeGreaterThan(500);
      if (gone.exitCode === null) await once(gone, "close");
    });

    test("one that stays is told, and nothing is left", () => {
      hold("02:00:00:00:00:71");
      const { status, stderr } = h.shell("true", ...flags);
      expect(status).toBe(125);
      expect(stderr).toContain("another macvlan of ext has the MAC address 02:00:00:00:00:71");
      expect(h.vitrine("ps", "-aq").stdout).toBe("");
    });
  });

  test("several devices; told by ps and inspect", () => {
    h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.7.0/24", "front");
    h.server("web", "--network", "macvlan:ext:ip=203.0.113.70/24,interface=lan0", "--network", "front");
    const addresses = h.vitrine("exec", "web", "ip", "-4", "-o", "addr").stdout;
    expect(addresses).toMatch(/eth0\s+inet 10\.92\.7\.2/);
    expect(addresses).toMatch(/lan0\s+inet 203\.0\.113\.70/);
    expect(h.vitrine("ps", "--format", "{{.Networks}}").stdout.trim()).toBe("front,macvlan:ext");
    const told = JSON.parse(h.vitrine("inspect", "web").stdout)[0].NetworkSettings.Networks["macvlan:ext"];
    expect({ ip: told.IPAddress, mac: told.MacAddress }).toEqual({
      ip: "203.0.113.70",
      mac: "02:42:cb:00:71:46",
    });
    h.vitrine("rm", "-f", "web");
    expect(h.vitrine("network", "rm", "front").stderr).toBe("");
  });

  test.each([
    ["macvlan:nothere", 'macvlan:nothere: this host has no network device "nothere"'],
    ["macvlan:ext.7", "ip link add link ext name ext.7 type vlan id 7"],
    ["macvlan:0123456789abcdef", '"0123456789abcdef" is no name of a network device'],
    ["macvlan:lo", '"lo" is no name of a network device'],
    ["macvlan:", '"" is no name of a network device'],
    ["macvlan:ext:mode=l2", "mode=l2: no mode of macvlan"],
    ["macvlan:ext:mac=01:00:00:00:00:01", "mac=01:00:00:00:00:01: that is a group's address"],
    ["macvlan:ext:mac=02:00:00", "mac=02:00:00: not a MAC address"],
    ["macvlan:ext:mode=passthru,mac=02:00:00:00:00:01", "it has the MAC address of ext"],
    ["macvlan:ext:interface=0123456789abcdef", '"0123456789abcdef" is no name of a network device'],
    ["macvlan:ext:ip=203.0.113.50", "ip=203.0.113.50/24"],
    ["macvlan:ext:ip=203.0.113.255/24", "the last one of its network"],
    ["macvlan:ext:ip=203.0.113.50/24,gateway=192.0.2.1", "gateway=192.0.2.1: not in 203.0.113.0/24"],
    ["macvlan:ext:colour=red", '"colour" is not known'],
    ["macvlan:ext:mode", '"mode" has no value'],
  ])("%s is refused by name, and nothing is made", (network, why) => {
    const before = links();
    const { status, stderr } = h.shell("true", "--network", network);
    expect(status).toBe(125);
    expect(stderr).toContain(why);
    expect(links()).toBe(before);
    expect(readdirSync(`${STATE}/runs`)).toEqual([]);
  });

  test("refused, too: a parent that is a bridge's port, names that are there twice, ports", () => {
    h.ip("link", "add", "br7", "type", "bridge");
    h.ip("link", "add", "leg", "type", "veth", "peer", "name", "leg-peer");
    h.ip("link", "set", "leg", "master", "br7");
    expect(h.shell("true", "--network", "macvlan:leg").stderr).toContain("leg is a port of a bridge");
    h.ip("link", "del", "leg");
    h.ip("link", "del", "br7");
    const two = ["--network", "macvlan:ext:interface=x", "--network", "macvlan:ext"];
    expect(h.shell("true", ...two).stderr).toContain("macvlan:ext is given twice");
    const both = ["--network", "bridge:interface=x", "--network", "macvlan:ext:interface=x"];
    expect(h.shell("true", ...both).stderr).toContain("called x inside");
    expect(h.shell("true", "--network", "macvlan:ext", "-p", "80:80").stderr).toContain("--publish");
    expect(h.shell("true", "--network", "macvlan:ext", "--network", "none").stderr).toContain("both");
  });

  test("its script does the same", async () => {
    const before = links();
    const flags = ["--network", `macvlan:ext:ip=203.0.113.50/24,gateway=${NEIGHBOUR}`];
    const script = h.vitrine(
      "run",
      "--explain=script",
      ...flags,
      "--rootfs",
      busybox(),
      "sh",
      "-c",
      `ip route; ${asks}`,
    );
    const { status, stdout } = h.exec(["bash"], "host", script.stdout);
    expect(status).toBe(0);
    expect(stdout).toContain(`default via ${NEIGHBOUR} dev eth0`);
    expect(lastLine(stdout)).toBe("203.0.113.50");
    await until(() => links() === before, "the device goes");
  });

  test("a start that fails leaves no device", async () => {
    const before = links();
    const { status } = h.vitrine("run", "--rm", "--network", "macvlan:ext", "--rootfs", "/", "/no/such/program");
    expect(status).toBe(127);
    await until(() => links() === before, "the device goes");
  });
});

describe("a macvlan network", () => {
  const create = (name: string, ...flags: string[]) =>
    h.vitrine("network", "create", "-d", "macvlan", "--subnet", "203.0.113.0/24", "-o", "parent=ext", ...flags, name);

  test("a host of its own on the parent's network: own address, own MAC, seen by the neighbour as it is", async () => {
    expect(create("lan", "--gateway", NEIGHBOUR, "--ip-range", "203.0.113.64/28").stderr).toBe("");
    const { stdout, stderr } = h.shell(`ip addr show eth0; ip route; ${asks}`, "--network", "lan");
    expect(stderr).toBe("");
    expect(stdout).toContain("inet 203.0.113.64/24");
    expect(stdout).toContain("link/ether 02:42:cb:00:71:40");
    expect(stdout).toContain(`default via ${NEIGHBOUR} dev eth0`);
    expect(stdout.trim().split("\n").at(-1)).toBe("203.0.113.64");
    h.server("lan-web", "--network", "lan", "--ip", "203.0.113.77");
    expect(h.ask("203.0.113.77", "out")).toBe(NEIGHBOUR); // all ports, without -p
    expect(h.shell(asking("203.0.113.77"), "--network", "lan").stdout.trim()).toBe("203.0.113.64"); // mode bridge
    expect(h.vitrine("rm", "-f", "lan-web").stderr).toBe("");
    expect(readdirSync(`${STATE}/networks/lan/leases`)).toEqual([]);
    expect(h.vitrine("network", "rm", "lan").stderr).toBe("");
    expect(h.exec(["ip", "link", "show", "ext"]).status).toBe(0); // the parent is not ours
  });

  test("private: its neighbours on the same parent do not reach it", () => {
    create("apart", "--ip-range", "203.0.113.80/28", "-o", "mode=private");
    h.server("apart-web", "--network", "apart");
    expect(h.ask("203.0.113.80", "out")).toBe(NEIGHBOUR);
    expect(h.shell(asking("203.0.113.80"), "--network", "apart").stdout).toBe("");
    h.vitrine("rm", "-f", "apart-web");
  });

  test("beside a bridge network; a parent that is gone, and ports, are refused", () => {
    h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.7.0/24", "front");
    const both = h.shell("ip -4 -o addr", "--network", "front", "--network", "apart:interface=lan0");
    expect(both.stdout).toMatch(/eth0\s+inet 10\.92\.7\.2/);
    expect(both.stdout).toMatch(/lan0\s+inet 203\.0\.113\.80/);
    expect(h.shell("true", "--network", "apart", "-p", "80:80").stderr).toContain("macvlan network");
    h.ip("link", "add", "gone", "type", "veth", "peer", "name", "gone-peer");
    h.ip("link", "set", "gone", "up");
    const lost = ["-d", "macvlan", "--subnet", "198.51.100.0/24", "-o", "parent=gone", "lost"];
    expect(h.vitrine("network", "create", ...lost).stderr).toBe("");
    h.ip("link", "del", "gone");
    const { status, stderr } = h.shell("true", "--network", "lost");
    expect(status).toBe(125);
    expect(stderr).toContain("RTM_GETLINK gone");
    expect(stderr).toContain("ENODEV");
    expect(h.vitrine("network", "rm", "apart", "lost", "front").stderr).toBe("");
  });

  test("all modes", () => {
    for (const mode of ["bridge", "private", "vepa", "passthru"]) {
      const flags = [
        "--subnet",
        "203.0.113.0/24",
        "--ip-range",
        "203.0.113.96/28",
        "-o",
        "parent=ext",
        "-o",
        `mode=${mode}`,
      ];
      expect(h.vitrine("network", "create", "-d", "macvlan", ...flags, "lan").stderr).toBe("");
      h.server("web", "--network", "lan");
      expect(h.exec(["nsenter", "-t", pidOf("web"), "-n", "ip", "-d", "link"]).stdout).toContain(
        `macvlan mode ${mode}`,
      );
      expect([mode, h.ask("203.0.113.96", "out")]).toEqual([mode, NEIGHBOUR]);
      h.vitrine("rm", "-f", "web");
      expect(h.vitrine("network", "rm", "lan").stderr).toBe("");
    }
  });
});

const pidOf = (name: string) => h.vitrine("inspect", "-f", "{{.State.Pid}}", name).stdout.trim();
