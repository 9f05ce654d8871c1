/** Addresses by DHCP: got before the program begins, renewed while it runs, given back however it ends. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { type DhcpServer, dnsmasq, hasDnsmasq, udhcpd } from "../dhcpserver.ts";
import { watchLeaks } from "../leaks.ts";
import { asking, NEIGHBOUR, NetHost } from "../nethost.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
let server: DhcpServer;
const RANGE = "203.0.113.100,203.0.113.110";
const MORE = ["--dhcp-option=6,203.0.113.9", "--dhcp-option=15,lan.example"];
beforeAll(async () => {
  h = new NetHost();
  await h.serve(`${NEIGHBOUR}:7000`);
  if (hasDnsmasq) server = await dnsmasq(h, RANGE, ...MORE);
});
afterAll(async () => {
  await server?.close();
  h.close();
});
afterEach(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n");
  if (left[0] !== "") h.vitrine("rm", "-f", ...left.filter((id) => id !== ""));
});
watchLeaks();

const BY_DHCP = ["--network", "macvlan:ext:ip=dhcp"];
const lastLine = (text: string) => text.trim().split("\n").at(-1);
const addressOf = (name: string) => h.vitrine("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).stdout.trim();
const macOf = (name: string) => h.vitrine("inspect", "-f", "{{.NetworkSettings.MacAddress}}", name).stdout.trim();
/** Clients and their keepers, by what they have in the state directory. */
function clients(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false;
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      return /udhcpc|dhclient/.test(command) && command.includes(STATE);
    } catch {
      return false;
    }
  });
}
const nobodyLeft = async () => {
  await until(() => clients().length === 0, "the client ends");
  await until(() => server.leases().size === 0, "the address is given back");
  expect(readdirSync(`${STATE}/runs`)).toEqual([]);
};

const without = (files: string[], ...words: string[]) => {
  const hide = files.map((file) => `if [ -e ${file} ]; then mount --bind /dev/null ${file}; fi`).join("; ");
  return h.exec(["unshare", "-m", "sh", "-c", `${hide}; exec "$@"`, "sh", BINARY, ...words]);
};

describe.if(hasDnsmasq)("with dnsmasq as the server (dnsmasq-base has to be installed)", () => {
  test("address, route, name servers and hosts are there when the program begins, and given back behind it", async () => {
    const script = `ip -4 addr show eth0; ip route; cat /etc/resolv.conf /etc/hosts; ${asking(`${NEIGHBOUR}:7000`)}`;
    const { stdout, stderr } = h.shell(script, ...BY_DHCP, "--hostname", "web.example.org");
    expect(stderr).toBe("");
    const [, address = "none"] = /inet (203\.0\.113\.1[01]\d)\/24 brd 203\.0\.113\.255/.exec(stdout) ?? [];
    expect(stdout).toContain(`default via ${NEIGHBOUR} dev eth0`);
    expect(stdout).toContain("nameserver 203.0.113.9\nsearch lan.example\n");
    expect(stdout).toContain(`${address}\tweb.example.org`);
    expect(lastLine(stdout)).toBe(address);
    for (const word of ["DHCPACK", "DHCPRELEASE"])
      await until(() => server.said().includes(`${word}(ext) ${address}`), word);
    await nobodyLeft();
  });

  test("what was asked for goes before what the server says", () => {
    const flags = ["--dns", "192.0.2.53", "--dns-search", "mine.example", "--mac-address", "02:00:00:00:00:77"];
    const { stdout } = h.shell(
      "cat /etc/resolv.conf; ip link show eth0",
      "--network",
      "macvlan:ext",
      "--ip",
      "dhcp",
      ...flags,
    );
    expect(stdout).toContain("nameserver 192.0.2.53\nsearch mine.example\n");
    expect(stdout).toContain("02:00:00:00:00:77");
  });

  test("inspect tells it; a start again has the same MAC and the same address; stop gives it back", async () => {
    h.server("web", ...BY_DHCP);
    const [address, mac] = [addressOf("web"), macOf("web")];
    expect(server.leases()).toEqual(new Map([[mac, address]]));
    expect(h.ask(address, "out")).toBe(NEIGHBOUR);
    expect(h.vitrine("restart", "-t", "0", "web").stderr).toBe("");
    expect([addressOf("web"), macOf("web")]).toEqual([address, mac]);
    expect(h.vitrine("stop", "-t", "0", "web").stderr).toBe("");
    expect(server.leases().size).toBe(0); // when stop has ended, and not some time later
    await nobodyLeft();
    h.vitrine("rm", "web");
  });

  test("on a macvlan network, beside a bridge network whose way out stays", async () => {
    h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.7.0/24", "front");
    const made = ["-d", "macvlan", "--subnet", "203.0.113.0/24", "-o", "parent=ext", "lan"];
    expect(h.vitrine("network", "create", ...made).stderr).toBe("");
    h.server("web", "--network", "front", "--network", "lan:ip=dhcp,interface=lan0");
    const routes = h.vitrine("exec", "web", "ip", "route").stdout;
    expect(routes).toContain("default via 10.92.7.1 dev eth0");
    expect(routes).toContain("203.0.113.0/24 dev lan0");
    const [{ Containers }] = JSON.parse(h.vitrine("network", "inspect", "lan").stdout);
    const [told] = Object.values(Containers) as { IPv4Address: string; MacAddress: string }[];
    expect(server.leases()).toEqual(new Map([[told?.MacAddress ?? "", (told?.IPv4Address ?? "").replace("/24", "")]]));
    expect(h.vitrine("network", "rm", "lan").stderr).toContain("web");
    expect(h.vitrine("network", "disconnect", "front", "web").stderr).toBe("");
    const left = h.vitrine("exec", "web", "sh", "-c", "ip route; cat /etc/hosts").stdout;
    expect(left).toContain("203.0.113.0/24 dev lan0");
    expect(left).toContain(`${told?.IPv4Address.replace("/24", "")}\t`);
    expect(left).not.toMatch(/10\.92\.7\.|^2[45]\d\./m);
    h.vitrine("rm", "-f", "web");
    await nobodyLeft();
    expect(h.vitrine("network", "rm", "lan", "front").stderr).toBe("");
  });

  test("several at once have addresses of their own", async () => {
    const names = ["a", "b", "c"];
    for (const name of names) h.server(name, ...BY_DHCP);
    expect(new Set(names.map(addressOf)).size).toBe(3);
    h.vitrine("rm", "-f", ...names);
    await nobodyLeft();
  });

  describe("after kill -9", () => {
    const monitorOf = () => {
      const [run] = listRuns({ root: ROOT, state: STATE });
      if (!run) throw new Error("nothing runs");
      return holderOf(run).pid;
    };

    test("of the monitor", async () => {
      h.server("web", ...BY_DHCP);
      expect(server.leases().size).toBe(1);
      process.kill(monitorOf(), "SIGKILL");
      await until(() => clients().length === 0, "the client ends by itself, without a command");
      await until(() => server.leases().size === 0, "the address is given back");
      h.vitrine("ps");
      await nobodyLeft();
    });

    test("of the command in the foreground", async () => {
      const words = ["run", "--rm", ...BY_DHCP, "--rootfs", busybox(), "sleep", "1000"];
      const child = spawn("nsenter", [`--net=/run/netns/${h.host}`, BINARY, ...words], {
        env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
        stdio: "ignore",
      });
      await until(() => server.leases().size === 1, "it has an address");
      await until(() => h.vitrine("ps", "-q").stdout !== "", "it runs");
      child.kill("SIGKILL");
      await until(() => clients().length === 0, "the client ends by itself");
      h.vitrine("ps");
      await nobodyLeft();
    });

    test("of the client: the container keeps its address, and nothing is left behind it", async () => {
      h.server("web", ...BY_DHCP);
      const address = addressOf("web");
      for (const pid of clients()) process.kill(Number(pid), "SIGKILL");
      await until(() => clients().length === 0, "it is gone");
      expect(h.ask(address, "out")).toBe(NEIGHBOUR);
      expect(h.vitrine("rm", "-f", "web").stderr).toBe("");
      expect(readdirSync(`${STATE}/runs`)).toEqual([]);
      const mac = [...server.leases().keys()][0] ?? "";
      h.exec(["dhcp_release", "ext", address, mac]); // nobody else can
      await server.close();
      server = await dnsmasq(h, RANGE, ...MORE);
      expect(server.leases().size).toBe(0);
    });
  });

  test("a start that fails later gives it back", async () => {
    const { status } = h.vitrine("run", "--rm", ...BY_DHCP, "--rootfs", busybox(), "/no/such/program");
    expect(status).toBe(127);
    await nobodyLeft();
  });

  test("renewed, the same stays as it is", async () => {
    h.server("web", ...BY_DHCP);
    const address = addressOf("web");
    const acknowledged = () => server.said().split(`DHCPACK(ext) ${address}`).length;
    await until(() => acknowledged() > 1, "it is acknowledged");
    const before = acknowledged();
    for (const pid of clients()) process.kill(Number(pid), "SIGUSR1");
    await until(() => acknowledged() > before, "it is acknowledged again");
    expect(addressOf("web")).toBe(address);
    expect(h.vitrine("exec", "web", "ip", "-4", "-o", "addr", "show", "eth0").stdout).toContain(address);
    h.vitrine("rm", "-f", "web");
    await nobodyLeft();
  });

  test("the server gives another one: the old one is gone from the device, and inspect tells the new one", async () => {
    h.server("web", ...BY_DHCP);
    const address = addressOf("web");
    await server.close();
    server = await dnsmasq(h, "203.0.113.130,203.0.113.135", ...MORE);
    const renew = clients().find((pid) => readlinkSync(`/proc/${pid}/exe`).includes("busybox"));
    process.kill(Number(renew), "SIGUSR1");
    await until(() => /^203\.0\.113\.13\d$/.test(addressOf("web")), "it has another address");
    const now = h.vitrine("exec", "web", "ip", "-4", "-o", "addr", "show", "eth0").stdout;
    expect(now).toContain(addressOf("web"));
    expect(now).not.toContain(address);
    expect(h.vitrine("exec", "web", "ip", "route").stdout).toContain(`default via ${NEIGHBOUR}`);
    expect(h.vitrine("exec", "web", "cat", "/etc/hosts").stdout).toContain(addressOf("web"));
    h.vitrine("rm", "-f", "web");
    await nobodyLeft();
    await server.close();
    server = await dnsmasq(h, RANGE, ...MORE);
  });

  test("with dhclient, where there is no udhcpc", async () => {
    if (h.exec(["sh", "-c", "command -v dhclient"]).status !== 0) return;
    const words = ["run", "-d", "--name", "web", ...BY_DHCP, "--rootfs", busybox(), "sleep", "1000"];
    expect(without(["/usr/bin/busybox", "/usr/sbin/udhcpc"], ...words).stderr).toBe("");
    expect(clients().some((pid) => readlinkSync(`/proc/${pid}/exe`).endsWith("/dhclient"))).toBe(true);
    const address = addressOf("web");
    expect(server.leases().get(macOf("web"))).toBe(address);
    expect(h.vitrine("exec", "web", "ip", "-4", "-o", "addr", "show", "eth0").stdout).toContain(address);
    expect(h.vitrine("exec", "web", "cat", "/etc/resolv.conf").stdout).toBe(
      "nameserver 203.0.113.9\nsearch lan.example\n",
    );
    h.vitrine("rm", "-f", "web");
    await nobodyLeft();
  });

  test("a missing program is named", () => {
    const all = ["/usr/bin/busybox", "/usr/sbin/udhcpc", "/usr/sbin/dhclient"];
    const { status, stderr } = without(all, "run", "--rm", ...BY_DHCP, "--rootfs", busybox(), "true");
    expect(status).toBe(125);
    expect(stderr).toContain("this host has no DHCP client");
    expect(stderr).toContain("udhcpc (busybox, udhcpc) or dhclient (isc-dhcp-client)");
  });
});

test("renewed in time, when the lease is short", async () => {
  // Busybox's client takes two minutes for the shortest lease that there is.
  if (h.exec(["sh", "-c", "command -v dhclient"]).status !== 0) return;
  await server?.close();
  const short = await udhcpd(h, 10);
  try {
    const words = ["run", "-d", "--name", "web", ...BY_DHCP, "--rootfs", busybox(), "sleep", "1000"];
    expect(without(["/usr/bin/busybox", "/usr/sbin/udhcpc"], ...words).stderr).toBe("");
    const address = addressOf("web");
    expect(address).toMatch(/^203\.0\.113\.1[45]\d$/);
    const since = () => {
      const file = readdirSync(`${STATE}/runs`)
        .map((run) => `${STATE}/runs/${run}/dhcp-eth0/lease.json`) // the hook's own run has none
        .find(existsSync);
      return file === undefined ? 0 : (JSON.parse(readFileSync(file, "utf8")).since as number);
    };
    const first = since();
    await until(() => since() > first, "it is renewed", 15_000);
    await until(() => since() > first + 7000, "and again", 15_000);
    expect(addressOf("web")).toBe(address);
    h.vitrine("rm", "-f", "web");
    await until(() => clients().length === 0, "the client ends");
  } finally {
    await short.close();
    if (hasDnsmasq) server = await dnsmasq(h, RANGE, ...MORE);
  }
});

test("without a server the start fails after some time, says so, and leaves nothing", async () => {
  h.ip("link", "add", "dead", "type", "veth", "peer", "name", "dead-peer");
  h.ip("link", "set", "dead", "up");
  const links = h.exec(["ip", "-o", "link"]).stdout;
  const begin = performance.now();
  const { status, stderr } = h.shell("true", "--network", "macvlan:dead:ip=dhcp");
  expect(status).toBe(125);
  expect(performance.now() - begin).toBeLessThan(20_000);
  expect(stderr).toContain("a lease for eth0, for 15 s at most");
  expect(stderr).toContain("no DHCP server has given it an address");
  expect(stderr).toContain("the network of dead");
  await until(() => clients().length === 0, "the client ends");
  await until(() => h.exec(["ip", "-o", "link"]).stdout === links, "the device goes");
  expect(readdirSync(`${STATE}/runs`)).toEqual([]);
  h.ip("link", "del", "dead");
});

test("a start that waits can be interrupted, and killed", async () => {
  h.ip("link", "add", "dead", "type", "veth", "peer", "name", "dead-peer");
  h.ip("link", "set", "dead", "up");
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const words = ["run", "--rm", "--network", "macvlan:dead:ip=dhcp", "--rootfs", busybox(), "true"];
    const child = spawn("nsenter", [`--net=/run/netns/${h.host}`, BINARY, ...words], {
      env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
      stdio: "ignore",
    });
    const ended = new Promise((resolve) => child.on("exit", (_, by) => resolve(by)));
    await until(() => clients().length > 0, "it asks");
    await Bun.sleep(300);
    const begin = performance.now();
    child.kill(signal);
    expect(await ended).toBe(signal);
    expect(performance.now() - begin).toBeLessThan(2000);
    await until(() => clients().length === 0, "the client ends");
    expect(h.vitrine("ps", "-aq").stdout).toBe("");
    expect(readdirSync(`${STATE}/runs`)).toEqual([]);
  }
  h.ip("link", "del", "dead");
});

test("refused where vitrine gives the addresses, or somebody else's", () => {
  h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.7.0/24", "front");
  expect(h.shell("true", "--network", "front", "--ip", "dhcp").stderr).toContain(
    "gives the addresses of network front",
  );
  expect(h.vitrine("network", "rm", "front").stderr).toBe("");
  expect(h.shell("true", "--network", "host", "--ip", "dhcp").stderr).toContain("the container is on no network");
});
