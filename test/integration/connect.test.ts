/** Containers that come to networks and leave them while they run, and while they do not. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { readdirSync, symlinkSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, NEIGHBOUR, NetHost } from "../nethost.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  for (const [name, subnet, six] of [
    ["front", "10.92.31.0/24", "fd00:31::/64"],
    ["back", "10.92.32.0/24", "fd00:32::/64"],
    ["small", "10.92.33.0/30", "fd00:33::/64"],
  ] as const)
    expect(h.vitrine("network", "create", "--subnet", subnet, "--subnet", six, name).stderr).toBe("");
  h.vitrine("network", "create", "--internal", "--ipv6=false", "--subnet", "10.92.34.0/24", "cellar");
  await h.serve(`${NEIGHBOUR}:7000`);
  await h.serve("127.0.0.1:9999", "host");
});
afterAll(() => h.close());
afterEach(async () => {
  const left = h
    .vitrine("ps", "-aq")
    .stdout.split("\n")
    .filter((id) => id !== "");
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
  await until(() => veths().length === 0, "devices go");
});
watchLeaks();

const done = (...args: string[]) => expect(h.vitrine(...args)).toMatchObject({ status: 0, stderr: "" });
const refused = (...args: string[]) => {
  const { status, stderr } = h.vitrine(...args);
  expect(status).toBe(125);
  return stderr;
};
const connect = (...args: string[]) => done("network", "connect", ...args);
const disconnect = (...args: string[]) => done("network", "disconnect", ...args);
const inside = (name: string, ...command: string[]) => h.vitrine("exec", name, ...command).stdout;
const leases = (network: string) => {
  try {
    return readdirSync(`${STATE}/networks/${network}/leases`);
  } catch {
    return [];
  }
};
const networksOf = (name: string) =>
  h.vitrine("ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Networks}}").stdout.trim();
const veths = () => h.exec(["ip", "-br", "link"]).stdout.match(/^veth\S+/gm) ?? [];
/** Of a container on a network: who asks is told its own address. */
const asks = (where: string, network: string) => h.shell(asking(where), "--network", network).stdout.trim();

describe("a container that runs", () => {
  test("is reached by address and name on a network that it is connected to, and not when it has left", async () => {
    h.server("web", "--network", "front");
    expect(asks("10.92.32.2", "back")).toBe("");
    connect("back", "web");
    expect(asks("10.92.32.2", "back")).toBe("10.92.32.3");
    expect(asks("web", "back")).toMatch(/^(10\.92\.32\.3|fd00:32::a5c:2003)$/);
    expect(asks("web.back", "back")).not.toBe("");
    expect(asks("web", "front")).not.toBe("");
    disconnect("back", "web");
    expect(asks("10.92.32.2", "back")).toBe("");
    expect(h.shell("nslookup web 10.92.32.1", "--network", "back").stdout).toContain("NXDOMAIN");
    expect(asks("web", "front")).not.toBe("");
    expect(inside("web", "ip", "-o", "link")).not.toContain("eth1");
    expect(leases("back")).toEqual([]);
    await until(() => veths().length === 1, "the devices of those that have asked go"); // nobody waits for them
  });

  test("has the addresses, names and device that were asked for", () => {
    h.server("web", "--network", "front");
    const flags = ["--ip", "10.92.32.77", "--ip6", "fd00:32::77", "--mac-address", "02:00:00:00:00:77"];
    connect(...flags, "--alias", "db", "--alias", "store", "--interface", "db0", "back", "web");
    const seen = inside("web", "ip", "addr", "show", "db0");
    expect(seen).toContain("inet 10.92.32.77/24 brd 10.92.32.255");
    expect(seen).toContain("inet6 fd00:32::77/64");
    expect(seen).toContain("link/ether 02:00:00:00:00:77");
    for (const name of ["db", "store.back", "web"])
      expect({ name, by: asks(name, "back") }).toEqual({ name, by: expect.stringMatching(/./) });
    expect(asks("[fd00:32::77]", "back")).toMatch(/^fd00:32::/);
    const format = '{{json (index .NetworkSettings.Networks "back")}}';
    expect(JSON.parse(h.vitrine("inspect", "-f", format, "web").stdout)).toMatchObject({
      Aliases: ["db", "store"],
      IPAddress: "10.92.32.77",
      GlobalIPv6Address: "fd00:32::77",
      MacAddress: "02:00:00:00:00:77",
      IPAMConfig: { IPv4Address: "10.92.32.77", IPv6Address: "fd00:32::77" },
    });
    connect("--driver-opt", "com.docker.network.endpoint.ifname=x7", "small", "web");
    expect(inside("web", "ip", "-o", "link")).toContain("x7");
  });

  test("the same alias of several is all of them", () => {
    for (const name of ["a", "b"]) {
      h.server(name, "--network", "front");
      connect("--alias", "pool", "back", name);
    }
    const { stdout } = h.shell("nslookup -type=a pool 10.92.32.1", "--network", "back");
    expect(stdout).toContain("10.92.32.2");
    expect(stdout).toContain("10.92.32.3");
  });

  test("keeps its default route and its ports; when it leaves that network, the next one has both", () => {
    h.server("web", "--network", "front", "-p", "8080:80", "-p", `[::]:8080:80`, "-p", `${HOST_OUTSIDE}::80`);
    connect("cellar", "web");
    connect("back", "web");
    expect(inside("web", "ip", "route")).toContain("default via 10.92.31.1 dev eth0");
    expect(inside("web", "ip", "route").match(/default/g)).toHaveLength(1);
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.31.1");
    const random = h.vitrine("port", "web", "80").stdout.match(/203\.0\.113\.1:(\d+)/)?.[0] ?? "";
    disconnect("front", "web");
    expect(inside("web", "ip", "route")).toContain("default via 10.92.32.1 dev eth2");
    expect(inside("web", "ip", "-6", "route")).toContain("default via fd00:32::1 dev eth2");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.32.1");
    expect(h.ask(random, "out")).toBe(NEIGHBOUR);
    expect(h.exec(["nft", "list", "ruleset"]).stdout).not.toContain("10.92.31.2");
    expect(inside("web", "sh", "-c", asking(`${NEIGHBOUR}:7000`)).trim()).toBe(HOST_OUTSIDE);
    disconnect("back", "web");
    expect(inside("web", "ip", "route")).not.toContain("default");
    expect(h.ask("127.0.0.1:8080")).toBe("");
    expect(h.vitrine("port", "web").stdout).toBe("");
    expect(h.exec(["nft", "list", "ruleset"]).stdout).not.toContain(" 8080 : ");
    expect(refused("run", "--rm", "--network", "front", "-p", "8080:80", "--rootfs", busybox(), "true")).toContain(
      "container web has this port",
    );
    connect("back", "web");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.32.1");
    expect(h.vitrine("port", "web", "80").stdout).toContain("127.0.0.1:8080");
  });

  test("ports come back where it is now, after another's flush of all rules", () => {
    h.server("web", "--network", "front", "-p", "8080:80");
    connect("back", "web");
    disconnect("front", "web");
    h.exec(["nft", "flush", "ruleset"]);
    expect(h.ask("127.0.0.1:8080")).toBe("");
    done("ps", "-q");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.32.1");
  });

  test("its files in /etc follow; what it has written there stays", () => {
    h.server("web", "--network", "cellar", "--hostname", "web.example.org");
    inside("web", "sh", "-c", "echo '192.0.2.1 mine' >> /etc/hosts");
    connect("back", "web");
    expect(inside("web", "cat", "/etc/hosts")).toMatch(
      /192\.0\.2\.1 mine\n10\.92\.32\.2\tweb\.example\.org web\nfd00:32::\S+\t/,
    );
    expect(inside("web", "cat", "/etc/resolv.conf")).toContain("nameserver 10.92.32.1");
    disconnect("cellar", "web");
    expect(inside("web", "cat", "/etc/hosts")).not.toContain("10.92.34.");
    expect(inside("web", "cat", "/etc/resolv.conf")).not.toContain("10.92.34.1");
    inside("web", "sh", "-c", "echo 'nameserver 192.0.2.53' > /etc/resolv.conf");
    connect("front", "web");
    expect(inside("web", "cat", "/etc/resolv.conf")).toBe("nameserver 192.0.2.53\n");
    disconnect("back", "web");
    disconnect("front", "web");
    expect(inside("web", "cat", "/etc/hosts")).toContain("192.0.2.1 mine\n");
    expect(inside("web", "cat", "/etc/hosts")).not.toContain("web.example.org");
  });

  test("a restart finds it where it was", () => {
    h.server("web", "--network", "front", "--network-alias", "www", "--ip", "10.92.31.9");
    connect("--ip", "10.92.32.9", "--alias", "db", "back", "web");
    done("restart", "-t", "0", "web");
    expect(networksOf("web")).toBe("front,back");
    expect(inside("web", "ip", "-o", "addr")).toMatch(/eth0 +inet 10\.92\.31\.9.*eth1 +inet 10\.92\.32\.9/s);
    expect(asks("db", "back")).not.toBe("");
    expect(asks("www", "front")).not.toBe("");
    disconnect("front", "web");
    done("restart", "-t", "0", "web");
    expect(networksOf("web")).toBe("back");
    disconnect("back", "web");
    done("restart", "-t", "0", "web");
    expect(networksOf("web")).toBe("");
    expect(inside("web", "ip", "-o", "addr")).not.toContain("eth");
    connect("front", "web");
    expect(asks("web", "front")).not.toBe("");
    expect(inside("web", "ip", "route")).toContain("default via 10.92.31.1");
  });

  test("a restart gives each device its name, also where one was asked for that others begin with", () => {
    h.server("web", "--network", "front:interface=eth1");
    connect("back", "web");
    expect(inside("web", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.92.32.");
    done("restart", "-t", "0", "web");
    h.listens("web");
    expect(inside("web", "ip", "-4", "-o", "addr", "show", "eth0")).toContain("10.92.32.");
    expect(inside("web", "ip", "-4", "-o", "addr", "show", "eth1")).toContain("10.92.31.");
  });

  test("networks may be given by their ids: they are the same", () => {
    const id = h.vitrine("network", "inspect", "-f", "{{.Id}}", "front").stdout.trim();
    h.server("web", "--network", id);
    expect(refused("network", "connect", "front", "web")).toContain("is on network front already");
    connect("back", "web");
    disconnect("front", "web");
    done("restart", "-t", "0", "web");
    h.listens("web");
    expect(networksOf("web")).toBe("back");
    done("stop", "-t", "0", "web");
    connect(id.slice(0, 12), "web");
    expect(refused("network", "connect", "front", "web")).toContain("is on network front already");
    expect(h.shell("true", "--network", "front", "--network", id).stderr).toContain("given twice");
  });

  test("with --rm too; when it ends, nothing is left", async () => {
    h.server("web", "--rm", "--network", "front");
    connect("--alias", "db", "back", "web");
    connect("small", "web");
    disconnect("front", "web");
    expect(networksOf("web")).toBe("back,small");
    expect(JSON.parse(h.vitrine("network", "inspect", "back").stdout)[0].Containers).not.toEqual({});
    done("stop", "-t", "0", "web");
    for (const network of ["front", "back", "small"]) expect(leases(network)).toEqual([]);
    await until(() => veths().length === 0, "devices go");
  });

  test("is told of by ps, filters, network inspect, ls, rm and events", () => {
    h.server("web", "--network", "front");
    h.vitrine("network", "rm", "back");
    const id = h.vitrine("network", "create", "--subnet", "10.92.32.0/24", "--label", "of=test", "back").stdout.trim();
    const since = String(Date.now() / 1000);
    connect(id.slice(0, 10), "web");
    expect(networksOf("web")).toBe("front,back");
    for (const value of ["back", id.slice(0, 12)])
      expect(h.vitrine("ps", "-f", `network=${value}`, "--format", "{{.Names}}").stdout).toBe("web\n");
    const [{ Containers }] = JSON.parse(h.vitrine("network", "inspect", "back").stdout);
    expect(Object.values(Containers)).toMatchObject([{ Name: "web", IPv4Address: "10.92.32.2/24" }]);
    const dangling = () => h.vitrine("network", "ls", "-f", "dangling=true", "--format", "{{.Name}}").stdout;
    expect(dangling()).not.toContain("back");
    expect(h.vitrine("network", "rm", "back").stderr).toContain("network back is in use: web");
    expect(h.vitrine("network", "prune", "-f", "--filter", "label=of=test").stdout).toBe("");
    disconnect("back", "web");
    expect(dangling()).toContain("back");
    expect(h.vitrine("ps", "-q", "-f", "network=back").stdout).toBe("");
    expect(h.vitrine("network", "prune", "-f", "--filter", "label=of=test").stdout).toContain("back");
    const events = h.vitrine(
      "events",
      "--since",
      since,
      "--until",
      "0s",
      "-f",
      "type=network",
      "-f",
      "network=back",
      "--format",
      "json",
    );
    expect(
      events.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      {
        Action: "connect",
        Actor: {
          ID: id,
          Attributes: { name: "back", type: "bridge", container: expect.stringMatching(/^[0-9a-f]{64}$/) },
        },
      },
      { Action: "disconnect", Actor: { ID: id } },
      { Action: "destroy" },
    ]);
    h.vitrine("network", "create", "--subnet", "10.92.32.0/24", "--subnet", "fd00:32::/64", "back");
  });

  test("paused, or with the host's user namespace, or read-only: it is no hindrance", () => {
    h.server("web", "--network", "front", "--userns", "host", "--read-only");
    done("pause", "web");
    connect("back", "web");
    done("unpause", "web");
    expect(asks("web", "back")).not.toBe("");
  });

  test("many at once", async () => {
    const names = Array.from({ length: 6 }, (_, i) => h.server(`web-${i}`, "--network", "front"));
    const all = names.map((name) =>
      Bun.spawn([
        "nsenter",
        `--net=/run/netns/${h.host}`,
        BINARY,
        "--root",
        ROOT,
        "--state",
        STATE,
        "network",
        "connect",
        "back",
        name,
      ]),
    );
    expect(await Promise.all(all.map(({ exited }) => exited))).toEqual(all.map(() => 0));
    expect(leases("back").sort()).toEqual(names.map((_, i) => `10.92.32.${2 + i}`));
    for (const name of names) expect(inside(name, "ip", "-o", "addr")).toContain("10.92.32.");
  });
});

describe("one that does not run", () => {
  test("is on the network when it starts", () => {
    done("create", "--name", "web", "--network", "front", "-v", "/:/host:ro", "--rootfs", busybox(), "sleep", "1000");
    connect("--ip", "10.92.32.9", "back", "web");
    expect(networksOf("web")).toBe("front,back");
    expect(leases("back")).toEqual([]);
    expect(refused("network", "connect", "back", "web")).toContain("container web is on network back already");
    disconnect("front", "web");
    expect(refused("network", "disconnect", "front", "web")).toContain("container web is not on network front");
    done("start", "web");
    expect(networksOf("web")).toBe("back");
    expect(inside("web", "ip", "-o", "addr")).toContain("10.92.32.9");
    done("stop", "-t", "0", "web");
    disconnect("-f", "back", "web");
    expect(networksOf("web")).toBe("");
  });

  test("a network that was removed can be left by force", () => {
    done("network", "create", "--subnet", "10.92.36.0/24", "brief");
    done("create", "--name", "web", "--network", "brief", "--rootfs", busybox(), "true");
    done("network", "rm", "brief");
    expect(refused("network", "disconnect", "brief", "web")).toContain('no network "brief"');
    disconnect("-f", "brief", "web");
    expect(networksOf("web")).toBe("");
    connect("back", "web");
    expect(h.vitrine("start", "-a", "web").status).toBe(0);
  });

  test("an address that somebody is left with who is not there goes by force", () => {
    h.server("web", "--network", "front");
    const run = `${"d".repeat(64)}.0004194305.00000000000000000001`;
    symlinkSync(JSON.stringify({ run, names: ["ghost"], mac: "" }), `${STATE}/networks/front/leases/10.92.31.200`);
    expect(refused("network", "disconnect", "front", "ghost")).toContain('no container "ghost"');
    expect(leases("front").length).toBeLessThanOrEqual(2);
    expect(h.vitrine("network", "disconnect", "-f", "front", "nobody").status).toBe(125);
    expect(leases("front")).toEqual(["10.92.31.2"]);
  });
});

describe("refused by name, and nothing has changed", () => {
  const state = () => [
    inside("web", "ip", "-o", "addr", "show", "scope", "global"),
    inside("web", "cat", "/etc/hosts", "/etc/resolv.conf"),
    networksOf("web"),
    leases("front"),
    leases("back"),
    leases("small"),
    veths(),
  ];

  test("what is asked for", () => {
    h.server("web", "--network", "front");
    h.server("other", "--network", "back", "--ip", "10.92.32.8", "--ip6", "fd00:32::8");
    h.server("full", "--network", "small");
    const before = state();
    for (const [args, why] of [
      [["back", "nobody"], 'no container "nobody"'],
      [["nowhere", "web"], 'no network "nowhere"'],
      [["front", "web"], "container web is on network front already"],
      [["--ip", "10.92.32.8", "back", "web"], "the address 10.92.32.8 of network back is taken"],
      [["--ip", "10.92.31.8", "back", "web"], "--ip 10.92.31.8: no address of a container in this network"],
      [["--ip", "10.92.32.1", "back", "web"], "--ip 10.92.32.1: that is the gateway"],
      [["--ip", "nonsense", "back", "web"], '--ip "nonsense": not an IPv4 address'],
      [["--ip6", "fd00:32::8", "back", "web"], "the address fd00:32::8 of network back is taken"],
      [["--ip6", "fd00:31::8", "back", "web"], "--ip6 fd00:31::8: no address of a container in this network"],
      [["--ip6", "fd00:32::8", "cellar", "web"], "--ip6 fd00:32::8: network cellar has no IPv6"],
      [["--mac-address", "01:00:00:00:00:01", "back", "web"], "that is a group's address"],
      [["--alias", "a b", "back", "web"], '--alias: "a b" is no host name'],
      [["--interface", "much-too-long-name", "back", "web"], "is no name of a network device"],
      [["--interface", "eth0", "back", "web"], "container web has a device eth0"],
      [["small", "web"], "all addresses of 10.92.33.0/30 are taken"],
      [["host", "web"], '"host" is no network'],
      [["--gw-priority", "7", "back", "web"], "--gw-priority"],
      [["--link", "other", "back", "web"], "--link"],
      [["--link-local-ip", "169.254.7.7", "back", "web"], "--link-local-ip"],
      [["--driver-opt", "a=b", "back", "web"], '--driver-opt "a=b": there is no such option'],
      [["--ip", "dhcp", "back", "web"], "--ip dhcp"],
      [["back"], "takes a network and a container"],
    ] as const) {
      expect(refused("network", "connect", ...args)).toContain(why);
      expect({ why, state: state() }).toEqual({ why, state: before });
    }
    expect(refused("network", "disconnect", "back", "web")).toContain("container web is not on network back");
    expect(refused("network", "disconnect", "nowhere", "web")).toContain('no network "nowhere"');
    expect(state()).toEqual(before);
  });

  test("containers without a network of their own", () => {
    h.server("web", "--network", "front");
    for (const [network, why] of [
      ["none", "it was made to have no network (--network none)"],
      ["host", "it has the host's network (--network host)"],
      ["container:web", "its network is another's (--network container:web)"],
    ] as const) {
      done("run", "-d", "--name", "alone", "--network", network, "--rootfs", busybox(), "sleep", "1000");
      expect(refused("network", "connect", "back", "alone")).toContain(`container alone cannot be connected: ${why}`);
      expect(refused("network", "disconnect", "front", "alone")).toContain("container alone cannot be disconnected");
      done("rm", "-f", "alone");
    }
  });

  test("more networks than a container can have", () => {
    h.server("web", "--network", "front");
    const names = Array.from({ length: 8 }, (_, i) => `n${i}`);
    for (const [i, name] of names.entries()) done("network", "create", "--subnet", `10.92.4${i}.0/24`, name);
    for (const name of names.slice(0, 7)) connect(name, "web");
    expect(refused("network", "connect", "n7", "web")).toContain("is on 8 networks, and 8 at most");
    for (const name of names.slice(0, 7)) disconnect(name, "web");
    for (const name of names.slice(0, 7)) connect(name, "web"); // places are free again
    done("rm", "-f", "web");
    done("network", "rm", ...names);
  });
});

test("what would be done is told, and not done", () => {
  h.server("web", "--network", "front");
  const { stdout } = h.vitrine("network", "connect", "--explain", "back", "web");
  expect(stdout).toMatch(
    /ip link add veth[0-9a-f]{8} master vt-\S+ up type veth peer name eth1 address 02:42:0a:5c:20:02 netns \d+/,
  );
  expect(stdout).toMatch(/nsenter -t \d+ -n ip addr add 10\.92\.32\.2\/24 brd \+ dev eth1/);
  expect(networksOf("web")).toBe("front");
  expect(h.vitrine("network", "disconnect", "--explain", "front", "web").stdout).toMatch(/ip link delete veth/);
  expect(networksOf("web")).toBe("front");
});

test("macvlan: a host of the parent's own network, and one no more", () => {
  done(
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    "parent=ext",
    "--ipv6=false",
    "--subnet",
    "203.0.113.0/24",
    "--ip-range",
    "203.0.113.64/28",
    "street",
  );
  h.server("web", "--network", "front");
  connect("street", "web");
  expect(h.ask("203.0.113.64", "out")).toBe(NEIGHBOUR);
  expect(inside("web", "ip", "route")).toContain("default via 10.92.31.1");
  disconnect("front", "web");
  expect(inside("web", "ip", "route")).toContain("default via 203.0.113.1 dev eth1");
  disconnect("street", "web");
  expect(h.ask("203.0.113.64", "out")).toBe("");
  expect(inside("web", "ip", "-o", "link")).not.toContain("eth");
  connect("street", "web");
  done("restart", "-t", "0", "web");
  expect(h.ask("203.0.113.64", "out")).toBe(NEIGHBOUR);
  done("rm", "-f", "web");
  done("network", "rm", "street");
});

test("killed at any moment: it is on the network, or not", async () => {
  h.server("web", "--network", "front", "-p", "8080:80");
  const seen = new Set<string>();
  for (let i = 0; i < 40; i++) {
    const on = networksOf("web") === "front,back";
    const args = ["network", on ? "disconnect" : "connect", "back", "web"];
    const child = spawn("nsenter", [`--net=/run/netns/${h.host}`, BINARY, "--root", ROOT, "--state", STATE, ...args], {
      stdio: "ignore",
    });
    const over = new Promise((resolve) => child.on("close", resolve));
    await Bun.sleep(20 + i * 3);
    child.kill("SIGKILL");
    await over;
    const networks = networksOf("web");
    seen.add(networks);
    expect(["front", "front,back"]).toContain(networks);
    const is = networks === "front,back";
    const facts = [
      inside("web", "ip", "-o", "link").includes("eth1"),
      inside("web", "cat", "/etc/hosts").includes("10.92.32."),
      leases("back").length === 1,
      h.vitrine("network", "inspect", "back").stdout.includes('"Name": "web"'),
      veths().length === 2,
      readdirSync(`${STATE}/runs`).length === 1,
    ];
    expect({ i, args, facts }).toEqual({ i, args, facts: [is, is, is, is, is, true] });
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.31.1");
  }
  expect(seen.size).toBe(2);
});
