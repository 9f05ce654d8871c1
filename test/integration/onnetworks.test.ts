/** Containers on bridge networks: addresses, what leaves, what comes in and what does not, ports, and what is left. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, HOST_OUTSIDE6, NEIGHBOUR, NEIGHBOUR6, NetHost } from "../nethost.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  expect(h.vitrine("network", "create", "--subnet", "10.92.7.0/24", "front").stderr).toBe("");
  h.vitrine("network", "create", "--subnet", "10.92.8.0/24", "back");
  h.vitrine("network", "create", "--subnet", "10.92.11.0/24", "named");
  h.vitrine("network", "create", "--internal", "--subnet", "10.92.9.0/29", "cellar");
  await h.serve(`${NEIGHBOUR}:7000`);
  await h.serve(`[${NEIGHBOUR6}]:7000`);
  await h.serve("127.0.0.1:9999", "host");
});
afterAll(() => h.close());
/** What a failed test has left is not the next one's. */
afterEach(() => {
  const left = h
    .vitrine("ps", "-aq")
    .stdout.split("\n")
    .filter((id) => id !== "");
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
});
watchLeaks();

const leases = (network: string) => {
  try {
    return readdirSync(`${STATE}/networks/${network}/leases`);
  } catch {
    return [];
  }
};
const stop = (...names: string[]) => expect(h.vitrine("rm", "-f", ...names).stderr).toBe("");
/** Elements of the firewall's maps, and links of the host. */
const published = () => h.exec(["nft", "-a", "list", "ruleset"]).stdout.match(/^.*(tcp|udp) \. \d+ : .*$/gm) ?? [];
const veths = () =>
  h
    .exec(["ip", "-br", "link"])
    .stdout.split("\n")
    .filter((line) => line.startsWith("veth"));
const nothingLeft = async (network = "front") => {
  expect(leases(network)).toEqual([]);
  expect(published()).toEqual([]);
  await until(() => veths().length === 0, "devices go");
};

describe("a container on a network", () => {
  test("has the first address, a route, and devices that go with it", async () => {
    const { stdout, stderr } = h.shell(
      "ip -4 addr show eth0; ip route; ip -6 route; ip -6 addr show eth0",
      "--network",
      "front",
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("inet 10.92.7.2/24 brd 10.92.7.255");
    expect(stdout).toContain("default via 10.92.7.1 dev eth0");
    expect(stdout).toMatch(/default via fd\S+::1 dev eth0/);
    expect(stdout).toMatch(/inet6 fd\S+::a5c:702\/64/);
    await nothingLeft();
  });

  test("of several: one device each, the default route by the first that leads out", () => {
    const { stdout } = h.shell(
      "ip -4 -o addr; ip route",
      "--network",
      "cellar",
      "--network",
      "front:interface=out0",
      "--network",
      "back",
    );
    expect(stdout).toMatch(/eth0\s+inet 10\.92\.9\.2\/29/);
    expect(stdout).toMatch(/out0\s+inet 10\.92\.7\.2\/24/);
    expect(stdout).toMatch(/eth1\s+inet 10\.92\.8\.2\/24/);
    expect(stdout).toContain("default via 10.92.7.1 dev out0");
  });

  test("address and MAC as asked for", () => {
    const flags = ["--network", "front", "--ip", "10.92.7.77", "--mac-address", "02-00-00-00-00-07"];
    const { stdout } = h.shell("ip addr show eth0", ...flags);
    expect(stdout).toContain("inet 10.92.7.77/24");
    expect(stdout).toContain("link/ether 02:00:00:00:00:07");
    expect(h.shell("ip addr show eth0", "--network", "front:ip=10.92.7.78").stdout).toContain("02:42:0a:5c:07:4e");
  });

  test("its files in /etc", () => {
    const flags = [
      "--network",
      "front",
      "--hostname",
      "web.example.org",
      "--add-host",
      "db:192.0.2.9",
      "--add-host",
      "h:host-gateway",
    ];
    const { stdout } = h.shell(
      "cat /etc/hosts /etc/hostname /etc/resolv.conf",
      ...flags,
      "--dns-search",
      "example.org",
    );
    expect(stdout).toContain("192.0.2.9\tdb\n10.92.7.1\th\n");
    expect(stdout).toMatch(/10\.92\.7\.2 +\tweb\.example\.org web\n/);
    expect(stdout).toContain("\nweb.example.org\n");
    expect(stdout).toMatch(/^nameserver 10\.92\.7\.1\nsearch example\.org$/m);
    const own = h.shell(
      "cat /etc/resolv.conf",
      "--network",
      "bridge",
      "--dns",
      "192.0.2.53",
      "--no-hosts",
      "--no-hostname",
    );
    expect(own.stdout).toStartWith("nameserver 192.0.2.53\n");
    expect(h.vitrine("network", "down", "bridge").stderr).toBe("");
  });

  test("ignores advertisements of routers", () => {
    const { stdout } = h.shell("cat /proc/sys/net/ipv6/conf/eth0/accept_ra", "--network", "front");
    expect(stdout).toBe("0\n");
  });

  test("the host's user namespace, and a read-only root file system, are no hindrance", () => {
    for (const flags of [["--userns", "host"], ["--read-only"], ["--privileged"]])
      expect(h.shell("grep -c 10.92.7.2 /etc/hosts && ip route", "--network", "front", ...flags).stdout).toContain(
        "default via",
      );
  });
});

describe("what leaves", () => {
  test("has the host's address", () => {
    const { stdout } = h.shell(asking(`${NEIGHBOUR}:7000`), "--network", "front");
    expect(stdout.trim()).toBe(HOST_OUTSIDE);
    expect(h.shell(asking(`[${NEIGHBOUR6}]:7000`), "--network", "front").stdout.trim()).toBe(HOST_OUTSIDE6);
  });

  test("an internal network leaves nothing out", () => {
    const { stdout } = h.shell(`ip route; ${asking(`${NEIGHBOUR}:7000`)}`, "--network", "cellar");
    expect(stdout).toMatch(/^10\.92\.9\.0\/29 dev eth0[^\n]*\n$/);
    const forced = `ip route add default via 10.92.9.1 && ${asking(`${NEIGHBOUR}:7000`)}`;
    expect(h.shell(forced, "--network", "cellar", "--cap-add", "NET_ADMIN").stdout).toBe("");
  });
});

describe("what comes in", () => {
  test("neighbours on a network reach each other; others do not, nor does who is outside and knows the way", () => {
    h.server("web", "--network", "front");
    const asks = asking("10.92.7.2");
    expect(h.shell(asks, "--network", "front").stdout.trim()).toBe("10.92.7.3");
    expect(h.ask("10.92.7.2")).toBe("10.92.7.1"); // the host itself
    expect(h.shell(asks, "--network", "back").stdout).toBe("");
    expect(h.exec(["ip", "route", "add", "10.92.7.0/24", "via", HOST_OUTSIDE], "out").status).toBe(0);
    expect(h.ask("10.92.7.2", "out")).toBe("");
    // The way is there: without the firewall it is open.
    h.exec(["nft", "flush", "ruleset"]);
    expect(h.ask("10.92.7.2", "out")).toBe(NEIGHBOUR);
    expect(h.vitrine("network", "up", "front").stderr).toBe("");
    expect(h.ask("10.92.7.2", "out")).toBe("");
    h.exec(["ip", "route", "del", "10.92.7.0/24"], "out");
    stop("web");
  });

  test("a published port is for this host, if no address is said", async () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.7.1");
    expect(h.ask(`${HOST_OUTSIDE}:8080`, "out")).toBe("");
    expect(h.ask(`${HOST_OUTSIDE}:8080`)).toBe("");
    expect(h.shell(asking("10.92.7.1:8080"), "--network", "front").stdout).toBe("");
    expect(h.shell(asking("127.0.0.1:8080"), "--network", "front").stdout).toBe("");
    stop("web");
    await nothingLeft();
  });

  test("nobody outside gets to the host's loopback by a packet that says so", () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    // A neighbour on the bridge with a route for 127.0.0.1, and rights enough to make it.
    const script = `echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; ip addr del 127.0.0.1/8 dev lo; ip route del table local local 127.0.0.0/8; ip route add 127.0.0.0/8 via 10.92.7.1; ${asking("127.0.0.1:8080")}`;
    expect(h.shell(script, "--network", "front", "--cap-add", "NET_ADMIN", "--security-opt", "unmask=ALL").stdout).toBe(
      "",
    );
    stop("web");
  });

  test("published for all: client addresses are kept, but of neighbours and of the host's own 127.0.0.1", () => {
    h.server("web", "--network", "front", "-p", "0.0.0.0:8080:80", "-p", "[::]:8080:80");
    expect(h.ask(`${HOST_OUTSIDE}:8080`, "out")).toBe(NEIGHBOUR);
    expect(h.ask(`[${HOST_OUTSIDE6}]:8080`, "out")).toContain(NEIGHBOUR6);
    expect(h.ask(`${HOST_OUTSIDE}:8080`)).toBe(HOST_OUTSIDE);
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.7.1");
    const began = performance.now(); // ::1 is not among them: refused at once, so that clients of "localhost" go on to 127.0.0.1
    expect(h.exec(["/bin/busybox", "nc", "-w", "10", "::1", "8080"]).stderr).toContain("refused");
    expect(performance.now() - began).toBeLessThan(3000);
    const asks = asking(`${HOST_OUTSIDE}:8080`);
    expect(h.shell(asks, "--network", "front").stdout.trim()).toBe("10.92.7.1");
    expect(h.shell(asks, "--network", "back").stdout.trim()).toBe("10.92.8.2");
    stop("web");
  });

  test("a range, an address of the host, UDP, and a port that the kernel chooses", () => {
    h.server(
      "web",
      "--network",
      "front",
      "-p",
      `${HOST_OUTSIDE}:9000-9001:80-81`,
      "-p",
      "80",
      "-p",
      "0.0.0.0:5353:53/udp",
    );
    expect(h.ask(`${HOST_OUTSIDE}:9000`, "out")).toBe(NEIGHBOUR);
    expect(h.ask("127.0.0.1:9000")).toBe("");
    const chosen =
      published()
        .join("\n")
        .match(/127\.0\.0\.1 \. tcp \. (\d+)/)?.[1] ?? "";
    expect(h.ask(`127.0.0.1:${chosen}`)).toBe("10.92.7.1");
    expect(published().join("\n")).toContain("udp . 5353 : 10.92.7.2 . 53");
    stop("web");
    expect(published()).toEqual([]);
  });
});

describe("told", () => {
  test("by ps, port, inspect and diff", () => {
    const flags = ["-p", "8080-8082:80-82", "-p", "0.0.0.0:5353:53/udp", "-p", "[::]:99:99", "--expose", "7000"];
    h.server("web", "--network", "front:alias=www", "--network", "back", ...flags);
    const told = h.vitrine("ps", "--format", "{{.Ports}}|{{.Networks}}|{{.Mounts}}").stdout.trim().split("|");
    expect(told[1]).toBe("front,back");
    expect(told[0]?.split(", ").sort()).toEqual(
      ["0.0.0.0:5353->53/udp", "127.0.0.1:8080-8082->80-82/tcp", "7000/tcp", "[::]:99->99/tcp"].sort(),
    );
    expect(h.vitrine("port", "web", "81").stdout).toBe("127.0.0.1:8081\n");
    expect(h.vitrine("port", "web").stdout.split("\n")[0]).toBe("53/udp -> 0.0.0.0:5353");
    expect(h.vitrine("port", "web", "83").status).toBe(1);
    const { NetworkSettings, HostConfig, HostsPath } = JSON.parse(h.vitrine("inspect", "web").stdout)[0];
    expect(NetworkSettings.Networks.front).toMatchObject({
      IPAddress: "10.92.7.2",
      IPPrefixLen: 24,
      Gateway: "10.92.7.1",
      Aliases: ["www"],
    });
    expect(NetworkSettings.Networks.back.IPAddress).toBe("10.92.8.2");
    expect(NetworkSettings.Ports["81/tcp"]).toEqual([{ HostIp: "127.0.0.1", HostPort: "8081" }]);
    expect(NetworkSettings.Ports["7000/tcp"]).toBeNull();
    expect(HostConfig.NetworkMode).toBe("front");
    expect(HostsPath).toEndWith("/hosts");
    expect(h.vitrine("diff", "web").stdout).not.toContain("/etc");
    expect(h.vitrine("ps", "-q", "-f", "publish=8081", "-f", "network=back").stdout).not.toBe("");
    expect(h.vitrine("ps", "-q", "-f", "publish=8083").stdout).toBe("");
    const Containers = JSON.parse(h.vitrine("network", "inspect", "front").stdout)[0].Containers;
    expect(Object.values(Containers)).toEqual([expect.objectContaining({ Name: "web", IPv4Address: "10.92.7.2/24" })]);
    stop("web");
  });
});

describe("refused, and nothing is half made", () => {
  test("a port that another program has", async () => {
    const { status, stderr } = h.shell("true", "--network", "front", "-p", "9999:80");
    expect(status).toBe(125);
    expect(stderr).toContain("127.0.0.1:9999");
    expect(stderr).toMatch(/hint: .*busybox/);
    await nothingLeft();
  });

  test("a port of another container", async () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    const { status, stderr } = h.shell("true", "--network", "back", "-p", "8080:80");
    expect(status).toBe(125);
    expect(stderr).toContain("container web");
    stop("web");
    await nothingLeft("back");
  });

  test.each([
    [["-p", "192.0.2.77:80:80"], "192.0.2.77"],
    [["-p", "[::1]:80:80"], "::1"],
    [["-p", "80:80/sctp"], "SCTP"],
    [["-P", "--expose", "80/sctp"], "SCTP"],
    [["-p", "70000:80"], "70000"],
    [["--ip", "10.92.8.2"], "10.92.7.0/24"],
    [["--ip", "10.92.7.1"], "gateway"],
    [["--ip", "10.92.7.255"], "no address of a container"],
    [["--mac-address", "01:00:00:00:00:01"], "group"],
    [["--network", "nosuch"], "nosuch"],
    [["--network", "front:colour=red"], "colour"],
  ])("%p", async (flags, told) => {
    const { status, stderr } = h.shell("true", "--network", "front", ...flags);
    expect(status).toBe(125);
    expect(stderr).toContain(told);
    await nothingLeft();
  });

  test("ports of a container that has none of its own", () => {
    const { status, stderr } = h.shell("true", "--network", "none", "-p", "80:80");
    expect(status).toBe(125);
    expect(stderr).toContain("no ports of its own");
  });

  test("an address that is taken, and a network that is full", async () => {
    for (let i = 2; i <= 6; i++) h.server(`c${i}`, "--network", "cellar");
    expect(leases("cellar").sort()).toEqual([2, 3, 4, 5, 6].map((n) => `10.92.9.${n}`));
    const full = h.shell("true", "--network", "cellar");
    expect(full.status).toBe(125);
    expect(full.stderr).toContain("all addresses of 10.92.9.0/29 are taken");
    const taken = h.shell("true", "--network", "cellar", "--ip", "10.92.9.3");
    expect(taken.stderr).toContain("10.92.9.3 of network cellar is taken");
    stop("c2", "c3", "c4", "c5", "c6");
    await nothingLeft("cellar");
  });
});

describe("names", () => {
  test("containers of a network find each other, by name, alias and short id; a killed resolver comes back", async () => {
    const id = h
      .vitrine(
        ...["run", "-d", "--name", "db", "--network", "named:alias=store", "--rootfs", busybox(), "sleep", "100"],
      )
      .stdout.trim();
    const asks = (name: string) => h.shell(`nslookup ${name} 2>&1`, "--network", "named").stdout;
    for (const name of ["db", "store", id.slice(0, 12)]) expect(asks(name)).toContain("10.92.11.2");
    expect(asks("nobody")).not.toContain("10.92.11.2");
    const found = h
      .exec(["pgrep", "-f", `${STATE} network resolve`])
      .stdout.trim()
      .split("\n")
      .map(Number);
    expect(found.length).toBe(1);
    process.kill(found[0] ?? 0, "SIGKILL");
    h.vitrine("ps");
    expect(asks("db")).toContain("10.92.11.2");
    stop("db");
  });
});

describe("what is left", () => {
  test("after kill -9 of the monitor, and one command: no lease, no rule, no device", async () => {
    h.server("web", "--network", "front", "-p", "8080:80", "-p", "80", "-p", "[::]:8080:80");
    expect(published().length).toBe(3);
    const run = listRuns({ root: ROOT, state: STATE })[0];
    if (!run) throw new Error("nothing runs");
    process.kill(holderOf(run).pid, "SIGKILL");
    await until(() => h.vitrine("ps", "-q").stdout === "", "it ends");
    await nothingLeft();
    expect(h.vitrine("rm", "web").stderr).toBe("");
  });

  test("after kill -9 between the lease and the plan", async () => {
    // As a command leaves it that was killed there: a link to a run that is not there.
    h.server("web", "--network", "front");
    h.exec([
      "ln",
      "-s",
      `{"run":"${"0".repeat(64)}.0000000001.00000000000000000001","names":["x"]}`,
      `${STATE}/networks/front/leases/10.92.7.3`,
    ]);
    expect(leases("front").length).toBe(2);
    h.vitrine("ps");
    expect(leases("front")).toEqual(["10.92.7.2"]);
    stop("web");
  });

  test("a start again: same container, same device name inside, port and address are free for it", async () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    for (let i = 0; i < 5; i++) {
      expect(h.vitrine("restart", "-t", "0", "web").stderr).toBe("");
      h.listens("web");
      expect(h.ask("127.0.0.1:8080")).toBe("10.92.7.1");
    }
    expect(h.vitrine("stop", "-t", "0", "web").stderr).toBe("");
    await nothingLeft();
    stop("web");
  });

  test("another's flush of all rules is put right by the next start, also for those that run", () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    h.exec(["nft", "flush", "ruleset"]);
    expect(h.ask("127.0.0.1:8080")).toBe("");
    expect(h.shell("true", "--network", "front").stderr).toBe("");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.7.1");
    h.exec(["nft", "flush", "ruleset"]);
    h.vitrine("ps");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.7.1");
    stop("web");
  });

  test("a bridge that somebody has removed is made again", () => {
    h.shell("true", "--network", "front");
    const device = h.vitrine("network", "inspect", "-f", "{{.Id}}", "front").stdout.slice(0, 12);
    h.ip("link", "del", `vt-${device}`);
    expect(h.shell(asking(`${NEIGHBOUR}:7000`), "--network", "front").stdout.trim()).toBe(HOST_OUTSIDE);
  });

  test("forty at once have forty addresses", async () => {
    const all = Array.from({ length: 40 }, () => {
      const command = [BINARY, "run", "-d", "--rm", "--network", "back", "--rootfs", busybox(), "sleep", "1000"];
      const child = spawn("nsenter", [`--net=/run/netns/${h.host}`, ...command], {
        env: { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
      });
      let out = "";
      for (const stream of [child.stdout, child.stderr])
        stream.on("data", (d) => {
          out += d;
        });
      return new Promise<string>((resolve) => child.on("close", () => resolve(out.trim())));
    });
    const ids = await Promise.all(all);
    expect(ids.filter((id) => !/^[0-9a-f]{64}$/.test(id))).toEqual([]);
    const told = h
      .vitrine("inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", ...ids)
      .stdout.trim()
      .split("\n");
    expect(new Set(told).size).toBe(40);
    expect(leases("back").sort()).toEqual(told.sort());
    stop(...ids);
    await nothingLeft("back");
  });

  test("networks go with their bridges and their rules", () => {
    expect(h.vitrine("network", "down", "front").stderr).toBe("");
    expect(h.vitrine("network", "rm", "front", "back", "cellar", "named").stderr).toBe("");
    expect(h.exec(["nft", "list", "ruleset"]).stdout).toBe("");
    expect(h.exec(["ip", "-br", "link"]).stdout).not.toContain("vt-");
  });
});
