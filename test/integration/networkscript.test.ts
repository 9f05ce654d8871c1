/** Scripts of containers on networks: the same network is seen inside, the same traffic goes, and nothing is left, without vitrine. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { DHCP } from "../../src/explain/bashdhcp.ts";
import { type DhcpServer, dnsmasq, hasDnsmasq } from "../dhcpserver.ts";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, HOST_OUTSIDE6, NEIGHBOUR, NEIGHBOUR6, NetHost } from "../nethost.ts";
import { BINARY, busybox, directory, has, type Result, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  for (const [name, subnet, six] of [
    ["front", "10.92.41.0/24", "fd00:41::/64"],
    ["back", "10.92.42.0/24", "fd00:42::/64"],
  ] as const)
    expect(h.vitrine("network", "create", "--subnet", subnet, "--subnet", six, name).stderr).toBe("");
  h.vitrine("network", "create", "--internal", "--ipv6=false", "--subnet", "10.92.43.0/24", "cellar");
  await h.serve(`${NEIGHBOUR}:7000`);
  await h.serve(`[${NEIGHBOUR6}]:7000`);
  await h.serve("127.0.0.1:9999", "host");
});
afterAll(() => h.close());
afterEach(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n");
  if (left[0] !== "") h.vitrine("rm", "-f", ...left.filter((id) => id !== ""));
});
watchLeaks();

/** Programs that scripts may use: none of them is vitrine. */
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";

let count = 0;

function write(flags: readonly string[], command: readonly string[], image = ["--rootfs", busybox()]): string {
  const { stdout, stderr, status } = h.vitrine("run", "--explain=script", ...flags, ...image, ...command);
  if (status !== 0) throw new Error(stderr);
  return keep(stdout);
}

/** Checked, and in a file. */
function keep(text: string): string {
  const file = `${directory("scripts")}/${count++}.sh`;
  const place = "/var/tmp/vitrine-script.XXXXXX"; // here others may run scripts, too
  expect(text.split(place)).toHaveLength(2);
  writeFileSync(file, text.replace(place, `/var/tmp/${h.host}-script.XXXXXX`));
  checkCommands(text);
  return file;
}

/** Comments and messages may say the word. */
function checkCommands(script: string): void {
  const bare = script
    .split("\n")
    .map((line) => line.replace(/^\s*(#|step |STEP=).*/, "").replace(/^(\s*)echo "network .*/, "$1"))
    .join("\n");
  expect(bare).not.toMatch(/(^|[;&|({`]|\$\(|\bexec|\bdo|\bthen|\belse)\s*(\S*\/)?vitrine(-stage|-runtime)?(\s|$)/m);
}

const bash = (file: string) => byItself(file);

function byItself(...words: string[]): Result {
  const { stderr, ...rest } = h.exec(["env", "-i", `PATH=${PATH}`, "bash", ...words]);
  // ip(8) looks at all of /run/netns, where tests in other mount namespaces have files of theirs.
  return { ...rest, stderr: stderr.replaceAll("Error: Peer netns reference is invalid.\n", "") };
}

/** What is seen of the network, one thing a paragraph; when the kernel is sure that nobody else has the addresses that it chose. */
const LOOK = `
n=0; while ip addr | grep -q tentative && [ $((n += 1)) -lt 50 ]; do sleep 0.1; done
part() { echo "== $1"; }
part addresses; ip addr
part routes; ip route; ip -6 route | sort # the link-local ones come in either order
part advertisements; grep -H . /proc/sys/net/ipv6/conf/*/accept_ra
part hosts; cat /etc/hosts 2>&1 || :
part hostname; cat /etc/hostname 2>&1 || :
part resolv; cat /etc/resolv.conf 2>&1 || :
`;

function seen({ status, stdout, stderr }: Result) {
  const text = stdout
    .replace(/valid_lft \S+ preferred_lft \S+/g, "LIFETIME")
    .replace(/^\d+: (\S+?)(@\S+)?: /gm, "$1: ") // the kernel's numbers
    .replace(/NO-CARRIER,| +$/gm, ""); // of bridges that were left a moment ago
  return { status, stderr, parts: text.split(/^== /m) };
}

const links = () =>
  h
    .exec(["ip", "-o", "link"])
    .stdout.replace(/^\d+: /gm, "")
    .split("\n")
    .map((line) => line.split(/[@:]/)[0])
    .sort();
/** Elements of sets in one order. */
const rules = () =>
  h.exec(["nft", "--stateless", "list", "ruleset"]).stdout.replace(/elements = \{([^}]*)\}/g, (_, list: string) =>
    list
      .split(",")
      .map((element) => element.trim())
      .sort()
      .join(", "),
  );
const scratches = () => readdirSync("/var/tmp").filter((name) => name.startsWith(`${h.host}-script.`));
/** The kernel takes devices of a container some time after its end. */
async function sameAs(what: () => unknown, before: unknown): Promise<void> {
  await until(() => JSON.stringify(what()) === JSON.stringify(before), "what was there before").catch(() => undefined);
  expect(what()).toEqual(before);
}

/** Both see the same, and leave nothing. */
async function compare(flags: readonly string[], more = "") {
  const args = ["--hostname", "web", "--name", "web", ...flags];
  const command = ["sh", "-c", `${LOOK}${more}`];
  const file = write(args, command);
  const before = [links(), rules(), scratches()];
  const theirs = seen(bash(file));
  await sameAs(() => [links(), rules(), scratches()], before);
  const ours = seen(h.vitrine("run", "--rm", ...args, "--rootfs", busybox(), ...command));
  await sameAs(() => [links(), rules(), scratches()], before);
  expect(theirs).toEqual(ours);
  expect(theirs).toMatchObject({ status: 0, stderr: "" });
  return { file, text: theirs.parts.join("\n") };
}

const up = (...names: string[]) =>
  expect(h.vitrine("network", "up", ...names)).toMatchObject({ status: 0, stderr: "" });

describe("bridge networks that are up", () => {
  beforeEach(() => up("front", "back", "cellar"));

  test("addresses, routes and files are the same; what leaves has the host's address", async () => {
    const asks = `part asks; ${asking(`${NEIGHBOUR}:7000`)}; ${asking(`[${NEIGHBOUR6}]:7000`)}`;
    const { text } = await compare(["--network", "front"], asks);
    expect(text).toContain("default via 10.92.41.1 dev eth0");
    expect(text).toContain("nameserver 10.92.41.1");
    expect(text).toContain(`asks\n${HOST_OUTSIDE}\n${HOST_OUTSIDE6}`);
  });

  test("several, of which one is internal; addresses, MAC, device and aliases of its own; the host's ids", async () => {
    const networks = ["cellar", "back:ip=10.92.42.77,ip6=fd00:42::77,mac=02:00:00:00:00:77,interface=db0", "front"];
    const { text } = await compare([...networks.flatMap((one) => ["--network", one]), "--userns", "host"]);
    expect(text).toContain("default via 10.92.42.1 dev db0");
    expect(text).toContain("02:00:00:00:00:77");
    expect(text).toContain("inet6 fd00:42::77/64");
  });

  test("an address that another has taken meanwhile stays his, and the script says so", async () => {
    const file = write(["--network", "front:ip=10.92.41.50", "-p", "8080:80"], ["true"]);
    h.server("other", "--network", "front:ip=10.92.41.50", "-p", "8080:80");
    const before = [links(), rules(), scratches()];
    const { status, stderr } = bash(file);
    expect(status).toBe(125);
    expect(stderr).toMatch(/File exists\n.*step \d+: readlinkat the address 10\.92\.41\.50 of network front: failed/);
    expect([links(), rules(), scratches()]).toEqual(before);
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.41.1");
    h.vitrine("rm", "-f", "other");
    expect(bash(file)).toEqual({ status: 0, stdout: "", stderr: "" });
  });

  test("what it cannot do is said in it", () => {
    const flags = ["--network", "front", "-p", "8080:80", "--network", "interface:lent"];
    const head = (text: string) => text.slice(0, text.indexOf("set -Ee"));
    h.ip("link", "add", "lent", "type", "veth", "peer", "name", "peer");
    const said = head(readFileSync(write(flags, ["true"]), "utf8"));
    for (const word of ["- No resolver", "- Addresses are those", "only where conntrack(8) is", "- After kill -9"])
      expect(said).toContain(word);
    const none = head(readFileSync(write(["--network", "none"], ["true"]), "utf8"));
    expect(none).not.toContain("resolver");
    h.ip("link", "delete", "lent");
  });

  test("an internal one leads nowhere", async () => {
    const { text } = await compare(
      ["--network", "cellar"],
      `part asks; { ${asking(`${NEIGHBOUR}:7000`)}; } 2>&1; true`,
    );
    expect(text).not.toContain("default via");
    expect(text).toContain("asks\nnc: can't connect to remote host");
  });
});

describe("bridge networks that are down", () => {
  const NETWORKS = ["front", "back", "cellar"];
  const down = () => {
    up("front", "back", "cellar"); // the default network is not among them
    expect(h.vitrine("network", "down", ...NETWORKS)).toMatchObject({ status: 0, stderr: "" });
  };
  /** All that there is of networks on this host. */
  const state = () => ({
    addresses: h
      .exec(["ip", "addr"])
      .stdout.replace(/^\d+: /gm, "")
      .replace(/valid_lft.*|qlen \d+|qdisc \w+|NO-CARRIER,|,LOWER_UP|state \w+|tentative/g, "")
      .replace(/ +$/gm, "")
      .split(/\n(?=\S)/)
      .sort(),
    rules: rules(),
    parameters: h
      .exec(["sh", "-c", "grep -H . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/*/forwarding"])
      .stdout.split("\n")
      .concat(
        h
          .exec(["sh", "-c", "grep -H . /proc/sys/net/ipv4/conf/*/route_localnet /proc/sys/net/ipv6/conf/*/accept_ra"])
          .stdout.split("\n"),
      ),
  });
  /** As if the host had just been started. */
  const boot = () => {
    up("front");
    for (const device of links().filter((name) => name?.startsWith("vt-")))
      h.exec(["ip", "link", "delete", device ?? ""]);
    h.exec(["nft", "flush", "ruleset"]);
    h.exec(["sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward; echo 0 > /proc/sys/net/ipv6/conf/all/forwarding"]);
    h.exec(["sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/accept_ra; do echo 1 > $f; done"]);
    for (const name of readdirSync(`${STATE}/networks`))
      if (name.startsWith(".forwarding")) rmSync(`${STATE}/networks/${name}`);
  };
  const args = ["--network", "front", "--network", "cellar"];

  test("are set up by the script, as vitrine does it; they stay up, and vitrine finds them whole", async () => {
    const ask = ["sh", "-c", asking(`${NEIGHBOUR}:7000`)];
    boot();
    const file = write(args, ask);
    expect(h.vitrine("run", "--rm", ...args, "--rootfs", busybox(), ...ask).stdout).toBe(`${HOST_OUTSIDE}\n`);
    await until(() => !links().some((name) => name?.startsWith("veth")), "the end");
    const ours = state();
    boot();
    expect(bash(file)).toEqual({ status: 0, stdout: `${HOST_OUTSIDE}\n`, stderr: "" });
    await until(() => !links().some((name) => name?.startsWith("veth")), "the end");
    expect(state()).toEqual(ours);
    expect(ours.rules).toContain('iifname "ext" oifname "ext" drop');
    expect(bash(file).stdout).toBe(`${HOST_OUTSIDE}\n`);
    up("front", "cellar");
    expect(state()).toEqual(ours);
    down();
  });

  test("also by one that was printed while they were up, with IPv6", async () => {
    up("front", "back");
    const ask = ["sh", "-c", `${asking(`[${NEIGHBOUR6}]:7000`)}; ${asking(`${NEIGHBOUR}:7000`)}`];
    const file = write(["--network", "back"], ask);
    boot();
    h.exec(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/ext/accept_ra"]);
    expect(bash(file)).toEqual({ status: 0, stdout: `${HOST_OUTSIDE6}\n${HOST_OUTSIDE}\n`, stderr: "" });
    expect(h.exec(["cat", "/proc/sys/net/ipv6/conf/ext/accept_ra"]).stdout).toBe("2\n");
    expect(links().filter((name) => name?.startsWith("vt-"))).toHaveLength(1);
    down();
  });

  test("rules that another has flushed come back, those of other networks too", () => {
    up("front", "back");
    const file = write(["--network", "front"], ["true"]);
    const before = rules();
    h.exec(["nft", "flush", "ruleset"]);
    expect(bash(file)).toMatchObject({ status: 0, stderr: "" });
    expect(rules()).toBe(before);
    down();
  });

  test("but not while containers run, whose ports only vitrine knows: that is told", () => {
    up("front", "back");
    const file = write(["--network", "back"], ["true"]);
    h.server("web", "--network", "front", "-p", "8080:80");
    const before = rules();
    h.exec(["nft", "flush", "ruleset"]);
    const { status, stderr } = bash(file);
    expect(status).toBe(125);
    expect(stderr).toContain('while containers run; "vitrine network up back" puts it right');
    up("back");
    expect(rules()).toBe(before);
    expect(bash(file)).toMatchObject({ status: 0, stderr: "" });
    h.vitrine("rm", "-f", "web");
    down();
  });

  test("where docker's firewall drops, its chain for users lets the bridge through, once", () => {
    down();
    const chains =
      "chain DOCKER-USER { return; }; chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }";
    h.exec(["nft", `table ip filter { ${chains}; }`]);
    const file = write(["--network", "front"], ["sh", "-c", asking(`${NEIGHBOUR}:7000`)]);
    for (const when of ["down", "down again", "without docker"]) {
      expect(bash(file)).toEqual({ status: 0, stdout: `${HOST_OUTSIDE}\n`, stderr: "" });
      const { stdout } = h.exec(["nft", "list", "chain", "ip", "filter", "DOCKER-USER"]);
      expect(stdout.match(/[io]ifname "vt-[0-9a-f]+" counter packets \d+ bytes \d+ accept/g) ?? []).toHaveLength(
        when === "without docker" ? 0 : 2,
      );
      h.ip("link", "delete", links().find((name) => name?.startsWith("vt-")) ?? "");
      if (when === "down again") h.exec(["nft", "delete", "table", "ip", "filter"]);
    }
    down();
  });

  test("two scripts at once do not disturb each other", async () => {
    down();
    const files = [
      write(["--network", "front:ip=10.92.41.8"], ["true"]),
      write(["--network", "front:ip=10.92.41.9"], ["true"]),
    ];
    const run = (file: string) =>
      new Promise<number | null>((resolve) =>
        spawn("nsenter", [`--net=/run/netns/${h.host}`, "env", "-i", `PATH=${PATH}`, "bash", file], {
          stdio: ["ignore", "inherit", "inherit"],
        }).on("close", resolve),
      );
    expect(await Promise.all(files.map(run))).toEqual([0, 0]);
    down();
  });
});

describe("published ports", () => {
  beforeEach(() => up("front"));

  /** What another program is told that wants the port. */
  const listening = (port: string) => h.exec(["timeout", "1", "/bin/busybox", "httpd", "-f", "-p", port]).stderr;

  /** A container by a script, that answers on port 80. */
  async function server(flags: readonly string[], act: (said: () => string) => Promise<void>) {
    const command = ["sh", "-c", "httpd -p 80 -h /www; trap 'exit 7' TERM; while :; do sleep 0.1; done"];
    const file = write(["--network", "front", "-v", `${h.www()}:/www:ro`, ...flags], command);
    const before = [links(), rules(), scratches()];
    const words = [`--net=/run/netns/${h.host}`, "env", "-i", `PATH=${PATH}`, "bash", file];
    const child = spawn("nsenter", words, { stdio: ["ignore", "inherit", "pipe"] });
    let said = "";
    child.stderr.on("data", (d) => {
      said += d;
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    try {
      await until(() => h.ask("10.92.41.2") !== "", "the container answers");
      await act(() => said);
    } finally {
      child.kill("SIGTERM");
      expect(await ended).toBe(7);
    }
    await sameAs(() => [links(), rules(), scratches()], before);
    expect(readdirSync(`${STATE}/networks/front/leases`)).toEqual([]);
  }

  test("lead to the container while the script runs, from this host and from outside, by IPv4 and IPv6", async () => {
    const flags = ["-p", "8080:80", "-p", `${HOST_OUTSIDE}:8081:80`, "-p", "[::]:8082:80", "-p", "0.0.0.0:8083:80"];
    await server(flags, async () => {
      expect(h.ask("127.0.0.1:8080")).toBe("10.92.41.1");
      expect(h.ask(`${HOST_OUTSIDE}:8080`, "out")).toBe("");
      expect(h.ask(`${HOST_OUTSIDE}:8081`, "out")).toBe(NEIGHBOUR);
      await until(() => h.ask(`[${HOST_OUTSIDE6}]:8082`, "out") === NEIGHBOUR6, "an answer by a bridge that is new");
      expect(h.ask(`${HOST_OUTSIDE}:8083`, "out")).toBe(NEIGHBOUR);
      expect(listening("127.0.0.1:8080")).toContain("in use");
    });
    expect(listening("127.0.0.1:8080")).not.toContain("in use");
  });

  test("that the kernel chooses are told", async () => {
    await server(["-p", "127.0.0.1::80", "-p", `${HOST_OUTSIDE}::80/udp`], async (said) => {
      const [, port] = /^tcp port (\d+) of 127\.0\.0\.1$/m.exec(said()) ?? [];
      expect(said()).toMatch(/^udp port \d+ of 203\.0\.113\.1$/m);
      expect(h.ask(`127.0.0.1:${port}`)).toBe("10.92.41.1");
    });
  });

  test("that another program has are refused, and nothing is left", async () => {
    const file = write(["--network", "front", "-p", "9999:80"], ["true"]);
    const before = [links(), rules(), scratches()];
    const { status, stderr } = bash(file);
    expect(status).toBe(125);
    expect(stderr).toContain("tcp port 9999 of 127.0.0.1: Address already in use");
    expect(stderr).toMatch(/step \d+: bind tcp port 127\.0\.0\.1:9999: failed/);
    await sameAs(() => [links(), rules(), scratches()], before);
    expect(readdirSync(`${STATE}/networks/front/leases`)).toEqual([]);
  });
});

describe("devices of the host, and hosts of its own network", () => {
  const asks = `part asks; ${asking(`${NEIGHBOUR}:7000`)}; ${asking(`[${NEIGHBOUR6}]:7000`)}`;
  const lan = ["-d", "macvlan", "--subnet", "203.0.113.0/24", "--subnet", "2001:db8::/64", "-o", "parent=ext"];

  test("a macvlan network, beside a bridge network whose way out stays", async () => {
    up("front");
    expect(h.vitrine("network", "create", ...lan, "--ip-range", "203.0.113.64/26", "lan").stderr).toBe("");
    const { text } = await compare(["--network", "front", "--network", "lan:interface=lan0"], asks);
    expect(text).toContain("default via 10.92.41.1 dev eth0");
    expect(text).toMatch(/asks\n203\.0\.113\.(?!1$)\d+\n2001:db8::/);
    h.vitrine("network", "rm", "lan");
  });

  test("macvlan:PARENT with addresses, gateway, MAC and name", async () => {
    const own = `ip=203.0.113.50/24,ip=2001:db8::50/64,gateway=${NEIGHBOUR},mac=02:00:00:00:00:50,interface=lan0`;
    const { text, file } = await compare(["--network", `macvlan:ext:${own}`], asks);
    expect(text).toContain("asks\n203.0.113.50\n2001:db8::50");
    expect(text).toContain(`default via ${NEIGHBOUR} dev lan0`);
    // Again and at once, while the kernel takes the last one's devices.
    for (const _ of [1, 2]) expect(bash(file).stderr).toBe("");
    for (const mode of ["private", "vepa", "passthru"])
      await compare(["--network", `macvlan:ext:mode=${mode},ip=203.0.113.51/24`]);
  });

  test("a pair of devices, one of which stays on the host", async () => {
    const mine = ["--mac-address", "02:00:00:00:00:51"];
    const { text } = await compare([
      ...["--network", "veth:ip=192.0.2.7/24,ip=2001:db8:7::7/64,interface=host0,host_interface=mine0"],
      ...mine,
    ]);
    expect(text).toContain("inet 192.0.2.7/24 brd 192.0.2.255");
    const file = write(["--network-veth", "--name", "web", ...mine], ["sh", "-c", "ip addr show host0; sleep 1"]);
    const running = started(file);
    await until(() => links().includes("ve-web"), "the host's end");
    expect(h.exec(["cat", "/proc/sys/net/ipv6/conf/ve-web/accept_ra"]).stdout).toBe("0\n");
    expect(await running).toMatchObject({ status: 0, stdout: expect.stringContaining("02:00:00:00:00:51") });
  });

  test("a port of a bridge of the host's own", async () => {
    h.ip("link", "add", "br7", "type", "bridge");
    h.ip("addr", "add", "192.0.2.1/24", "dev", "br7");
    h.ip("link", "set", "br7", "up");
    await h.serve("192.0.2.1:7000", "host");
    const flags = ["--network", "port:br7:ip=192.0.2.7/24,gateway=192.0.2.1"];
    const { text } = await compare(flags, `part asks; ${asking("192.0.2.1:7000")}`);
    expect(text).toContain("asks\n192.0.2.7");
    h.ip("link", "delete", "br7");
  });

  test("a device of the host itself, which is the host's again behind it", async () => {
    h.ip("link", "add", "lent", "type", "veth", "peer", "name", "peer");
    h.ip("link", "set", "lent", "mtu", "1400", "address", "02:00:00:00:00:60", "up");
    h.ip("link", "set", "peer", "up");
    const home = () =>
      h
        .exec(["ip", "-o", "link", "show", "lent"])
        .stdout.replace(/^\d+: |qdisc \w+|state \w+/g, "")
        .trim();
    const before = home();
    const { text } = await compare(["--network-interface", "lent:wan0", "--network", "none"]);
    expect(text).toContain("wan0: <BROADCAST,MULTICAST,UP,LOWER_UP");
    expect(home()).toBe(before);
    // It is known by its number, whatever the container calls it.
    const rename =
      "ip link set eth7 down; ip link set eth7 mtu 1300; ip link set eth7 name x; ip link add eth7 type veth peer name y";
    const file = write(["--network", "interface:lent:interface=eth7", "--cap-add", "NET_ADMIN"], ["sh", "-c", rename]);
    expect(bash(file)).toMatchObject({ status: 0, stderr: "" });
    expect(home()).toBe(before);
    // What it deletes is lost, and that is told.
    h.ip("link", "set", "lent", "down");
    const remove = write(["--network", "interface:lent", "--cap-add", "NET_ADMIN"], ["ip", "link", "delete", "lent"]);
    const { status, stderr } = bash(remove);
    expect(status).toBe(125);
    expect(stderr).toContain("the container has deleted lent, or moved it");
    expect(links()).not.toContain("peer");
    expect(h.exec(["cat", "/proc/self/mountinfo"]).stdout).not.toContain("-script.");
  });
});

/** A script that goes on while the test does something else. */
function started(file: string): Promise<Result> {
  const words = [`--net=/run/netns/${h.host}`, "env", "-i", `PATH=${PATH}`, "bash", file];
  const child = spawn("nsenter", words, { stdio: ["ignore", "pipe", "pipe"] });
  const said = ["", ""];
  for (const [i, stream] of [child.stdout, child.stderr].entries())
    stream.on("data", (d) => {
      said[i] += d;
    });
  return new Promise((resolve) =>
    child.on("close", (status) => resolve({ status: status ?? -1, stdout: said[0] ?? "", stderr: said[1] ?? "" })),
  );
}

test("the hook of a DHCP client follows what the server says later, takes it back, and does not believe all of it", () => {
  h.ip("link", "add", "leased0", "type", "veth", "peer", "name", "leased1");
  h.ip("link", "set", "leased0", "up");
  h.ip("link", "set", "leased1", "up");
  const work = directory("hook/dhcp-leased0").replace("/dhcp-leased0", "");
  const [hosts, resolv] = [`${work}/hosts`, `${work}/resolv.conf`];
  const given = { HOSTS: hosts, RESOLV: resolv, NAMES: "web.lan web", SERVERS: "", SEARCH: "", OPTIONS: "" };
  const variables = Object.entries(given).map(([name, value]) => `LEASED_${name}='${value}'\n`);
  const heed = (word: string, ...env: string[]) => {
    const script = `set -eu\nWORK='${work}'\n${variables.join("")}${DHCP}\ndhcp_heed leased0 ours ${word}`;
    return h.exec(["env", "-i", `PATH=${PATH}`, ...env, "bash", "-c", script]);
  };
  const well = (word: string, ...env: string[]) =>
    expect(heed(word, ...env)).toEqual({ status: 0, stdout: "", stderr: "" });
  const state = () => ({
    addresses:
      h
        .exec(["ip", "-4", "-br", "addr", "show", "leased0"])
        .stdout.match(/\d+\.\S+/g)
        ?.map(String) ?? [],
    route: h.exec(["ip", "route", "show", "default", "dev", "leased0"]).stdout.trim(),
    hosts: readFileSync(hosts, "utf8"),
    resolv: readFileSync(resolv, "utf8"),
  });
  for (const file of [resolv, `${work}/resolv`]) writeFileSync(file, "nameserver 192.0.2.1\n");
  writeFileSync(hosts, "127.0.0.1\tlocalhost\n");
  const before = state();
  well("deconfig");
  for (const ip of ["127.0.0.1", "300.1.1.1", "224.0.0.1", "1.2.3", "$(id)", ""])
    expect({ ip, status: heed("bound", `ip=${ip}`, "mask=24").status }).toEqual({ ip, status: 1 });
  expect(state()).toEqual(before);
  const said = ["router=192.0.2.129 192.0.2.1", "dns=192.0.2.2, x;y 127.0.0.1 192.0.2.3"];
  well("bound", "ip=192.0.2.129", "mask=24", ...said, "search=a.example $(id) b.example");
  const bound = {
    addresses: ["192.0.2.129/24"],
    route: "default via 192.0.2.1",
    hosts: "127.0.0.1\tlocalhost\n192.0.2.129\tweb.lan web\n",
    resolv: "nameserver 192.0.2.2\nnameserver 192.0.2.3\nsearch a.example b.example\n",
  };
  expect(state()).toEqual(bound);
  // As dhclient says it.
  const other = ["new_ip_address=192.0.2.130", "new_subnet_mask=255.255.255.128", "new_routers=192.0.2.131"];
  well("RENEW", ...other, "new_domain_name_servers=192.0.2.4", "new_domain_name=c.example");
  const renewed = {
    addresses: ["192.0.2.130/25"],
    route: "default via 192.0.2.131",
    hosts: "127.0.0.1\tlocalhost\n192.0.2.130\tweb.lan web\n",
    resolv: "nameserver 192.0.2.4\nsearch c.example\n",
  };
  expect(state()).toEqual(renewed);
  // The container has written in it.
  writeFileSync(resolv, "nameserver 192.0.2.5\n");
  well("RENEW", ...other, "new_domain_name_servers=192.0.2.6");
  expect(state()).toEqual({ ...renewed, resolv: "nameserver 192.0.2.5\n" });
  well("EXPIRE");
  expect(state()).toEqual({ ...before, resolv: "nameserver 192.0.2.5\n" });
  h.ip("link", "delete", "leased0");
});

const hasDhclient = has("dhclient");

describe.if(hasDnsmasq)("addresses by DHCP (dnsmasq-base has to be installed)", () => {
  let server: DhcpServer;
  const more = ["--dhcp-option=6,203.0.113.9", "--dhcp-option=15,lan.example"];
  beforeAll(async () => {
    server = await dnsmasq(h, "203.0.113.100,203.0.113.110", ...more);
  });
  afterAll(() => server.close());

  const flags = ["--network", "macvlan:ext:ip=dhcp,mac=02:00:00:00:00:77"];
  const asks = `part asks; ${asking(`${NEIGHBOUR}:7000`)}`;

  test("address, route, name servers and hosts are there when the program begins, and given back behind it", async () => {
    const { text } = await compare([...flags, "--hostname", "web.example.org"], asks);
    const [, address = "none"] = /inet (203\.0\.113\.1[01]\d)\/24 brd 203\.0\.113\.255/.exec(text) ?? [];
    expect(text).toContain(`default via ${NEIGHBOUR} dev eth0`);
    expect(text).toContain("nameserver 203.0.113.9\nsearch lan.example\n");
    expect(text).toContain(`${address}\tweb.example.org web\n`);
    expect(text).toContain(`asks\n${address}`);
    await until(() => server.said().split(`DHCPRELEASE(ext) ${address}`).length === 3, "both gave it back");
    expect(server.leases().size).toBe(0);
  });

  test("what was asked for goes before what the server says", async () => {
    const asked = ["--dns", "192.0.2.53", "--dns-search", "mine.example", "--dns-option", "timeout:2"];
    const { text } = await compare([...flags, ...asked]);
    expect(text).toContain("nameserver 192.0.2.53\nsearch mine.example\noptions timeout:2\n");
  });

  test.if(hasDhclient)("by dhclient, where there is no udhcpc (isc-dhcp-client has to be installed)", async () => {
    const hide = [
      "/bin/busybox",
      "/usr/bin/busybox",
      "/sbin/udhcpc",
      "/usr/sbin/udhcpc",
      "/bin/udhcpc",
      "/usr/bin/udhcpc",
    ]
      .map((file) => `if [ -e ${file} ]; then mount --bind /dev/null ${file}; fi`)
      .join("; ");
    const look = `ip -4 addr show eth0; ip route; cat /etc/resolv.conf /etc/hosts; ${asking(`${NEIGHBOUR}:7000`)}`;
    const words = ["run", "--explain=script", ...flags, "--hostname", "web", "--rootfs", busybox(), "sh", "-c", look];
    const { stdout: text } = h.exec(["unshare", "-m", "sh", "-c", `${hide}; exec "$@"`, "sh", BINARY, ...words]);
    expect(text).toContain("dhclient -4");
    const { stdout, stderr } = bash(keep(text));
    expect(stderr).toBe("");
    const [, address = "none"] = /inet (203\.0\.113\.1[01]\d)\/24 brd 203\.0\.113\.255/.exec(stdout) ?? [];
    expect(stdout).toContain(`default via ${NEIGHBOUR} dev eth0`);
    expect(stdout).toContain("nameserver 203.0.113.9\nsearch lan.example\n");
    expect(stdout).toEndWith(`${address}\tweb\n${address}\n`);
    await until(() => server.leases().size === 0, "the address is given back");
  });

  test("if the script is killed the container dies, and the address is given back", async () => {
    const file = write(flags, ["sleep", "400"]);
    const child = spawn("nsenter", [`--net=/run/netns/${h.host}`, "env", "-i", `PATH=${PATH}`, "bash", file], {
      stdio: "ignore",
    });
    const running = () => h.exec(["pgrep", "-x", "-f", "sleep 400"]).stdout.trim();
    await until(() => running() !== "", "the program");
    expect(server.leases().size).toBe(1);
    child.kill("SIGKILL");
    await until(() => running() === "" && server.leases().size === 0, "its end");
    clear(file);
  });

  test("without a server nothing starts", async () => {
    h.ip("link", "add", "lonely", "type", "bridge");
    h.ip("link", "set", "lonely", "up");
    const file = write(["--network", "port:lonely:ip=dhcp"], ["echo", "begun"]);
    const { status, stdout, stderr } = bash(file);
    expect([status, stdout]).toEqual([125, ""]);
    expect(stderr).toContain("a lease for eth0: failed");
    h.ip("link", "delete", "lonely");
  });
});

/** What a script leaves that was killed. */
function clear(file: string): void {
  const text = readFileSync(file, "utf8");
  const groups = [...text.matchAll(/^mkdir (\/sys\/fs\/cgroup\/\S+)/gm)].map((m) => m[1] ?? "");
  for (const group of groups) {
    const end = performance.now() + 5000;
    while (existsSync(group) && performance.now() < end) h.exec(["rmdir", group]);
  }
  for (const name of scratches()) rmSync(`/var/tmp/${name}`, { recursive: true });
  for (const [, path = ""] of text.matchAll(/^undo 'rm -r?f (\S+)[;']/gm))
    rmSync(path, { recursive: true, force: true });
}

describe("the lines that --explain tells of connecting and disconnecting do what the commands do", () => {
  beforeEach(() => up("front", "back"));

  /** Carries out what is told. */
  function byHand(...args: string[]): void {
    const { stdout, stderr, status } = h.vitrine("network", ...args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = [...stdout.matchAll(/^ {6}\$ (.*)$/gm)].map(([, line]) => line);
    expect(lines.length).toBeGreaterThan(4);
    checkCommands(lines.join("\n"));
    const said = byItself("-euo", "pipefail", "-c", lines.join("\n"));
    expect({ ...said, stderr: said.stderr.replace("RTNETLINK answers: File exists\n", "") }).toEqual({
      status: 0,
      stdout: "",
      stderr: "",
    });
  }

  const takenOn = (...networks: string[]) =>
    networks.flatMap((one) => {
      const leases = `${STATE}/networks/${one}/leases`;
      return existsSync(leases) ? readdirSync(leases) : [];
    });

  /** As the container and this host see it. */
  const state = (name: string) => {
    const id = h.vitrine("inspect", "-f", "{{.Id}}", name).stdout.trim();
    return {
      inside: seen(h.vitrine("exec", name, "sh", "-c", LOOK)).parts,
      rules: rules(),
      links: links().map((link) => link?.replace(/^veth.*/, "veth")),
      record: existsSync(`${ROOT}/containers/${id}/networks.json`)
        ? readFileSync(`${ROOT}/containers/${id}/networks.json`, "utf8")
        : undefined,
      inspected: h.vitrine("inspect", "-f", "{{json .NetworkSettings.Networks}}", name).stdout,
      leases: ["front", "back"].map((network) => {
        const directory = `${STATE}/networks/${network}/leases`;
        return existsSync(directory)
          ? readdirSync(directory).map((address) =>
              readlinkSync(`${directory}/${address}`).replace(/"port":"veth[0-9a-f]+"/, '"port":"veth"'),
            )
          : [];
      }),
    };
  };

  test.each([
    ["a bridge network", ["--alias", "db", "back"], "back"],
    [
      "addresses, MAC and device of its own",
      ["--ip", "10.92.42.9", "--ip6", "fd00:42::9", "--interface", "db0", "back"],
      "back",
    ],
    ["an internal one", ["cellar"], "cellar"],
    ["a macvlan network", ["lan"], "lan"],
  ])("%s", (_, words, network) => {
    up("cellar");
    const lan = ["-d", "macvlan", "--subnet", "203.0.113.0/24", "--ip-range", "203.0.113.64/26", "-o", "parent=ext"];
    h.vitrine("network", "create", ...lan, "lan");
    h.server("web", "--network", "front", "-p", "8080:80");
    const alone = state("web");
    expect(h.vitrine("network", "connect", ...words, "web")).toMatchObject({ status: 0, stderr: "" });
    const connected = state("web");
    expect(h.vitrine("network", "disconnect", network, "web")).toMatchObject({ status: 0, stderr: "" });
    const left = state("web");
    byHand("connect", "--explain", ...words, "web");
    const withLines = (one: ReturnType<typeof state>) => ({
      ...one,
      leases: JSON.stringify(one.leases).replace(/"order":\d+/g, ""),
    });
    expect(withLines(state("web"))).toEqual(withLines(connected));
    byHand("disconnect", "--explain", network, "web");
    expect(state("web")).toEqual(left);
    expect(state("web").rules).toBe(alone.rules);
    byHand("connect", "--explain", ...words, "web");
    // The end of the container finds what the lines have noted.
    h.vitrine("rm", "-f", "web");
    expect(takenOn("front", network)).toEqual([]);
    h.vitrine("network", "rm", "lan");
  });

  test("ports and the default route go over to the next network, and come back", () => {
    h.server("web", "--rm", "--network", "front", "--network", "back", "-p", "8080:80", "-p", "[::]:8081:80");
    const before = state("web");
    byHand("disconnect", "--explain", "front", "web");
    const lines = state("web");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.42.1");
    expect(lines.inside.join("\n")).toContain("default via 10.92.42.1 dev eth1");
    h.vitrine("network", "connect", "front", "web");
    expect(h.vitrine("network", "disconnect", "front", "web").stderr).toBe("");
    expect(state("web")).toEqual(lines);
    byHand("disconnect", "--explain", "back", "web");
    expect(h.ask("127.0.0.1:8080")).toBe("");
    byHand("connect", "--explain", "front", "web");
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.41.1");
    expect(state("web").rules).toBe(before.rules);
    h.vitrine("rm", "-f", "web");
    expect(rules()).not.toMatch(/ 808[01] : /);
  });

  test("a network that is down is set up by them", () => {
    h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.44.0/24", "new");
    h.server("web", "--network", "front");
    expect(h.vitrine("network", "connect", "new", "web").stderr).toBe("");
    const connected = state("web");
    expect(h.vitrine("network", "disconnect", "new", "web").stderr).toBe("");
    expect(h.vitrine("network", "down", "new").stderr).toBe("");
    expect(rules()).not.toContain("10.92.44.0/24");
    byHand("connect", "--explain", "new", "web");
    expect(state("web").inside).toEqual(connected.inside);
    expect(rules()).toBe(connected.rules);
    expect(h.vitrine("network", "disconnect", "new", "web").stderr).toBe("");
    h.vitrine("rm", "-f", "web");
    h.vitrine("network", "rm", "new");
  });
});

describe("without networks of its own", () => {
  test.each([["host"], ["none"]])("--network %s", async (network) => {
    await compare(["--network", network]);
  });

  test("in a container's, and in a network namespace by file", async () => {
    up("front");
    h.server("web", "--network", "front");
    const asks = `part asks; ${asking(`${NEIGHBOUR}:7000`)}`;
    const look = (flags: readonly string[]) => {
      const command = ["sh", "-c", `ip addr; ip route; ${asks.replace("part asks;", "")}`];
      const theirs = seen(bash(write(flags, command)));
      expect(theirs).toEqual(seen(h.vitrine("run", "--rm", ...flags, "--rootfs", busybox(), ...command)));
      return theirs.parts.join("");
    };
    expect(look(["--network", "container:web"])).toContain(HOST_OUTSIDE);
    const pid = h.vitrine("inspect", "-f", "{{.State.Pid}}", "web").stdout.trim();
    expect(look(["--network", `ns:/proc/${pid}/ns/net`])).toContain("10.92.41.2/24");
    h.vitrine("rm", "-f", "web");
  });
});

test("whatever stands in paths, a script is quoted well", async () => {
  const odd = directory('it\'s $(touch bad) `touch bad`; \\ "x" vitrine run');
  const own = ["--root", `${odd}/root`, "--state", `${odd}/state`];
  const net = ["network", "create", "--subnet", "10.92.45.0/24", "odd"];
  expect(h.vitrine(...own, ...net)).toMatchObject({ status: 0, stderr: "" });
  const ask = asking(`${NEIGHBOUR}:7000`);
  const flags = ["--network", "odd", "-p", "8080:80", "--network", "veth:ip=192.0.2.7/24", "--rootfs", busybox()];
  const { stdout, stderr } = h.vitrine(...own, "run", "--explain=script", ...flags, "sh", "-c", ask);
  expect(stderr).toBe("");
  const file = keep(stdout);
  const before = readdirSync(".");
  expect(bash(file)).toEqual({ status: 0, stdout: `${HOST_OUTSIDE}\n`, stderr: "" });
  expect(readdirSync(".")).toEqual(before);
  expect(readdirSync(`${odd}/state/networks/odd/leases`)).toEqual([]);
  expect(h.vitrine(...own, "network", "rm", "odd")).toMatchObject({ status: 0, stderr: "" });
});
