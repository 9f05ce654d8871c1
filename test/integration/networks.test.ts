/** Networks as objects: made, listed, looked at, taken away. */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { processSuffix } from "../../src/container/identity.ts";
import { startTime } from "../../src/container/process.ts";
import { watchLeaks } from "../leaks.ts";
import { BINARY, ROOT, STATE, vitrine, vitrineAsync } from "../vitrine.ts";

setDefaultTimeout(60_000);
watchLeaks();

afterEach(() => vitrine(["network", "prune", "--force"]));

let count = 0;
const newName = () => `n${++count}`;

function ok(args: readonly string[]): string {
  const { status, stdout, stderr } = vitrine(args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout;
}

function refused(args: readonly string[], why: string): void {
  const { status, stdout, stderr } = vitrine(args);
  expect({ args, stdout }).toEqual({ args, stdout: "" });
  expect(stderr).toContain(why);
  expect(status).not.toBe(0);
}

const create = (...args: string[]) => ok(["network", "create", ...args]).trim();
const inspect = (name: string) => JSON.parse(ok(["network", "inspect", name]))[0];
const names = (...flags: string[]) =>
  ok(["network", "ls", "--format", "{{.Name}}", ...flags])
    .split("\n")
    .filter((name) => name !== "");

/** As a container that runs has it: this process is the one that runs it. */
function lease(network: string, address: string, name: string): { end(): void } {
  const link = `${STATE}/networks/${network}/leases/${address}`;
  const id = "c".repeat(64);
  const run = `${id}.${processSuffix(process.pid, startTime(process.pid) ?? "")}`;
  mkdirSync(`${STATE}/networks/${network}/leases`, { recursive: true });
  symlinkSync(JSON.stringify({ run, names: [name], mac: "02:42:0a:5c:00:02" }), link);
  return { end: () => rmSync(link, { force: true }) };
}

/** In a network namespace of its own. */
function elsewhere(script: string): { status: number; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], {
    env: { PATH: process.env.PATH, VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, vitrine: BINARY },
    encoding: "utf8",
  });
  return { status: status ?? -1, stdout, stderr };
}

describe("made and looked at", () => {
  test("with everything chosen", () => {
    const name = newName();
    const id = create(
      ...["--subnet", "192.168.200.0/24", "--gateway", "192.168.200.254", "--ip-range", "192.168.200.64/26"],
      ...["--subnet", "fd12:3456::/64", "--label", "a=b", "--label", "c", "-o", "mtu=1400"],
      ...["--interface-name", "vt-test-br", name],
    );
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(inspect(name)).toEqual({
      Name: name,
      Id: id,
      Created: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      Scope: "local",
      Driver: "bridge",
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Driver: "default",
        Options: null,
        Config: [
          { Subnet: "192.168.200.0/24", IPRange: "192.168.200.64/26", Gateway: "192.168.200.254" },
          { Subnet: "fd12:3456::/64", Gateway: "fd12:3456::1" },
        ],
      },
      Internal: false,
      Attachable: false,
      Ingress: false,
      ConfigFrom: { Network: "" },
      ConfigOnly: false,
      Containers: {},
      Options: { mtu: "1400", "com.docker.network.bridge.name": "vt-test-br" },
      Labels: { a: "b", c: "" },
    });
    expect(ok(["network", "inspect", "-f", '{{.Name}} {{index .Labels "a"}}', id.slice(0, 12)])).toBe(`${name} b\n`);
    expect(ok(["inspect", "--type", "network", "-f", "{{.Id}}", name])).toBe(`${id}\n`);
    expect(ok(["inspect", "-f", "{{.Id}}", name])).toBe(`${id}\n`);
    expect(ok(["network", "rm", name])).toBe(`${name}\n`);
    const { status, stdout, stderr } = vitrine(["network", "inspect", name]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "[]\n" });
    expect(stderr).toContain(`no network "${name}"`);
  });

  test("with nothing chosen each gets a subnet of its own, also if all are made at once", async () => {
    const all = Array.from({ length: 12 }, newName);
    const made = await Promise.all(all.map((name) => vitrineAsync(["network", "create", name])));
    expect(made.map(({ status, stderr }) => ({ status, stderr }))).toEqual(all.map(() => ({ status: 0, stderr: "" })));
    const subnets = all.flatMap((name) => inspect(name).IPAM.Config.map(({ Subnet }: { Subnet: string }) => Subnet));
    expect(new Set(subnets).size).toBe(subnets.length);
    for (const subnet of subnets) expect(subnet).toMatch(/^(10\.9[2-5]\.\d+\.0\/24|fd[0-9a-f:]+\/64)$/);
    expect(ok(["network", "rm", ...all])).toBe(all.map((name) => `${name}\n`).join(""));
  });

  test("without IPv6", () => {
    const name = newName();
    create("--ipv6=false", "--internal", name);
    const { EnableIPv6, Internal, IPAM } = inspect(name);
    expect({ EnableIPv6, Internal, count: IPAM.Config.length }).toEqual({
      EnableIPv6: false,
      Internal: true,
      count: 1,
    });
    ok(["network", "rm", name]);
  });

  test("of two that make the same one gets it", async () => {
    const name = newName();
    const made = await Promise.all(Array.from({ length: 6 }, () => vitrineAsync(["network", "create", name])));
    expect(made.map(({ status }) => status).sort()).toEqual([0, 125, 125, 125, 125, 125]);
    for (const { status, stderr } of made)
      if (status !== 0) expect(stderr).toContain(`network ${name} is there already`);
    ok(["network", "rm", name]);
  });
});

describe("refused, and nothing is half made", () => {
  const there = () =>
    existsSync(`${ROOT}/networks`) ? readdirSync(`${ROOT}/networks`).filter((n) => n !== ".turn") : [];

  test.each([
    [["--subnet", "10.0.0.0/33", "x"], "an address of this family has 32 bits"],
    [["--subnet", "10.0.0.5/24", "x"], "bits of hosts are set"],
    [["--subnet", "10.0.0.0/24", "--gateway", "10.0.1.1", "x"], "--gateway 10.0.1.1: in no --subnet"],
    [["--subnet", "10.0.0.0/24", "--ip-range", "10.0.1.0/25", "x"], "--ip-range 10.0.1.0/25: in no --subnet"],
    [["--driver", "overlay", "x"], 'driver "overlay"'],
    [["--driver", "macvlan", "x"], "no parent is given"],
    [["--driver", "macvlan", "-o", "parent=nothere0", "x"], "parent=nothere0: this host has no such network device"],
    [["--driver", "macvlan", "-o", "parent=lo.7", "x"], "ip link add link lo name lo.7 type vlan id 7"],
    [["--interface-name", "longer-than-15-bytes", "x"], "at most 15 bytes"],
    [["-o", "com.docker.network.bridge.enable_icc=false", "x"], "networks of their own"],
    [["-o", "speed=11", "x"], "--opt speed: not known"],
    [["--aux-address", "a=1.2.3.4", "x"], "--aux-address"],
    [["--attachable", "x"], "--attachable"],
    [["--ipv4=false", "x"], "--ipv4"],
    [["host"], 'network "host"'],
    [["container"], 'network "container"'],
    [["a", "b"], "takes one name"],
    [[], "takes one name"],
    [["../x"], "no name of a network"],
  ])("network create %j", (args, why) => {
    const before = there();
    refused(["network", "create", ...args], why);
    expect(there()).toEqual(before);
  });

  test("a subnet or a bridge that another network has, or the host", () => {
    const name = newName();
    create("--subnet", "172.31.77.0/24", "--interface-name", "vt-test-br", name);
    refused(["network", "create", "--subnet", "172.31.0.0/16", "x"], `overlaps network ${name} (172.31.77.0/24)`);
    refused(["network", "create", "--interface-name", "vt-test-br", "x"], `the bridge of network ${name}`);
    refused(["network", "create", "--interface-name", "lo", "x"], "the kernel's");
    refused(["network", "create", name], `network ${name} is there already`);
    const { status, stdout, stderr } = elsewhere(`
      ip link add v0 type veth peer name v1; ip addr add 172.29.0.1/16 dev v0; ip addr add fd77::1/64 dev v0 nodad
      ip link set v0 up; ip link set v1 up
      $vitrine network create --subnet 172.29.3.0/24 x
      $vitrine network create --subnet fd77::/64 x
      $vitrine network create --interface-name v0 x
      ip route add 10.64.0.0/10 dev v0
      $vitrine network create --ipv6=false x && $vitrine network inspect -f '{{range .IPAM.Config}}{{.Subnet}}{{end}}' x
      $vitrine network create -d macvlan -o parent=v0 -o mode=private --subnet 172.29.0.0/16 y && $vitrine network rm y`);
    expect(stderr.split("\n").filter((line) => line.startsWith("vitrine:"))).toEqual([
      "vitrine: --subnet 172.29.3.0/24: overlaps this host's route to 172.29.0.0/16 by v0",
      "vitrine: --subnet fd77::/64: overlaps this host's route to fd77::/64 by v0",
      "vitrine: --interface-name v0: this host has a network device of that name",
      "vitrine: no subnet is free: networks or routes of this host have them all",
    ]);
    expect(stdout).toMatch(/^[0-9a-f]{64}\ny\n$/);
    expect(status).toBe(0);
    ok(["network", "rm", name]);
    expect(there().filter((found) => found !== "bridge")).toEqual([]);
  });
});

describe("listed", () => {
  test("columns, filters and formats", () => {
    const [a, b] = [newName(), newName()];
    const id = create("--label", "tier=front", a);
    create("--ipv6=false", b);
    expect(ok(["network", "ls", "-f", `name=${a}`])).toBe(
      `NETWORK ID     NAME   DRIVER   SCOPE\n${id.slice(0, 12)}   ${a.padEnd(6)} bridge   local\n`,
    );
    expect(ok(["network", "ls", "-q", "-f", `id=${id.slice(0, 9)}`])).toBe(`${id.slice(0, 12)}\n`);
    expect(ok(["network", "ls", "-q", "--no-trunc", "-f", "label=tier=front"])).toBe(`${id}\n`);
    expect(names("-f", "type=custom").sort()).toEqual([a, b].sort());
    expect(names("-f", "type=builtin")).toEqual(["bridge"]);
    expect(names("-f", "driver=macvlan")).toEqual([]);
    const row = JSON.parse(ok(["network", "ls", "--format", "json", "-f", `name=${b}`]));
    expect(row).toMatchObject({
      Name: b,
      Driver: "bridge",
      IPv4: "true",
      IPv6: "false",
      Internal: "false",
      Labels: "",
    });
    const { end } = lease(a, "10.92.0.2", "web");
    expect(names("-f", "dangling=false")).toEqual([a]);
    expect(names("-f", "dangling=true").sort()).toEqual(["bridge", b].sort());
    end();
    refused(["network", "ls", "-f", "size=1"], "there is no such filter");
    refused(["network", "ls", "-f", "dangling=maybe"], "none of its values");
    ok(["network", "rm", a, b]);
  });
});

describe("taken away", () => {
  test("not while a container that runs is on it", () => {
    const name = newName();
    create("--subnet", "10.200.7.0/24", "--subnet", "fd00:7::/64", name);
    const { end } = lease(name, "10.200.7.2", "web");
    refused(["network", "rm", name], `network ${name} is in use: web`);
    refused(["network", "rm", "-f", name], `network ${name} is in use: web`);
    expect(ok(["network", "prune", "-f"])).toBe("");
    expect(Object.values(inspect(name).Containers)).toEqual([
      {
        Name: "web",
        EndpointID: expect.stringMatching(/^[0-9a-f]{64}$/),
        MacAddress: "02:42:0a:5c:00:02",
        IPv4Address: "10.200.7.2/24",
        IPv6Address: "fd00:7::ac8:702/64",
      },
    ]);
    end();
    symlinkSync('{"run":"gone.1.1","names":["ended"]}', `${STATE}/networks/${name}/leases/10.200.7.9`);
    expect(ok(["network", "rm", name])).toBe(`${name}\n`);
    expect(existsSync(`${STATE}/networks/${name}`)).toBe(false);
  });

  test("several, of which one is not there", () => {
    const [a, b] = [newName(), newName()];
    create(a);
    create(b);
    const { status, stdout, stderr } = vitrine(["network", "rm", a, "nothing", b]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: `${a}\n${b}\n` });
    expect(stderr).toContain('no network "nothing"');
    expect(ok(["network", "rm", "-f", "nothing"])).toBe("");
    refused(["network", "rm"], "no network");
  });

  test("prune, and what filters leave", () => {
    const [a, b] = [newName(), newName()];
    create("--label", "keep", a);
    create(b);
    expect(ok(["network", "prune", "-f", "--filter", "until=1h"])).toBe("");
    expect(ok(["network", "prune", "-f", "--filter", "label!=keep"])).toBe(`Deleted Networks:\n${b}\n`);
    expect(ok(["system", "prune", "-f"])).toContain(`Deleted Networks:\n${a}\n`);
    expect(names()).toEqual(["bridge"]);
  });

  test("its bridge goes with it; the parent of a macvlan stays", () => {
    const { stdout, stderr } = elsewhere(`
      $vitrine network create --interface-name vt-test-br x >/dev/null
      ip link add vt-test-br type bridge || exit 1
      ip link add v0 type veth peer name v1
      $vitrine network create -d macvlan -o parent=v0 --subnet 10.201.0.0/24 y >/dev/null
      $vitrine network rm x y
      ip -o link | grep -c vt-test-br; ip -o link | grep -c v0@`);
    expect({ stdout: stdout.split("\n").slice(-3), stderr }).toEqual({ stdout: ["0", "1", ""], stderr: "" });
  });

  test("its bridge tells whose it is, from the first on", () => {
    const name = newName();
    const id = create("--disable-dns", "--interface-name", "vt-test-br", name);
    const { stdout, stderr } = elsewhere(
      `$vitrine network up ${name}; ip -o link show vt-test-br | grep -o 'alias .*'`,
    );
    expect({ stdout, stderr }).toEqual({ stdout: `alias vitrine ${id}\n`, stderr: "" });
  });

  test("what a killed command has left is taken away by the next one", () => {
    const name = newName();
    const id = create("--interface-name", "vt-test-br", name);
    renameSync(`${ROOT}/networks/${name}`, `${ROOT}/networks/.gone.${id}`); // killed before it took the bridge down
    cpSync(`${ROOT}/networks/.gone.${id}`, `${ROOT}/networks/.new.1234`, { recursive: true });
    mkdirSync(`${ROOT}/networks/.gone.${"0".repeat(64)}`); // killed between its record and its directory
    const other = newName();
    const { stdout, stderr } = elsewhere(`
      ip link add vt-test-br type bridge
      $vitrine network create ${other} > /dev/null
      ip -o link | grep -c vt-test-br`);
    expect({ stdout, stderr }).toEqual({ stdout: "0\n", stderr: "" });
    expect(readdirSync(`${ROOT}/networks`).filter((found) => /^\.(gone|new)/.test(found))).toEqual([]);
    ok(["network", "rm", other]);
  });

  test("is not set up by whoever has waited for its removal", async () => {
    const name = newName();
    create("--interface-name", "vt-test-br", name);
    const [last = 0] = readdirSync(`${ROOT}/networks/.turn`)
      .map(Number)
      .sort((a, b) => b - a);
    const mine = `${ROOT}/networks/.turn/${last + 1}`;
    symlinkSync(`${process.pid}.${startTime(process.pid)}`, mine); // as the command that removes it
    const script = '"$vitrine" network up "$0"; echo $?; ip -o link | grep -c vt-test-br';
    const child = spawn("unshare", ["--net", "sh", "-c", script, name], {
      env: { PATH: process.env.PATH, VITRINE_ROOT: ROOT, VITRINE_STATE: STATE, vitrine: BINARY },
    });
    let told = "";
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (text) => {
        told += text;
      });
    await Bun.sleep(300);
    expect(told).toBe("");
    rmSync(`${ROOT}/networks/${name}`, { recursive: true });
    rmSync(mine);
    await new Promise((resolve) => child.on("close", resolve));
    expect(told).toMatch(/125\n0\n/);
    expect(told).toContain(`no network "${name}"`);
  });

  test("killed at any moment, nothing is half there, and the next command goes on", async () => {
    for (let i = 0; i < 30; i++) {
      const name = `k${i % 3}`;
      const words = i % 2 === 0 ? ["network", "create", name] : ["network", "rm", name];
      const child = spawn(BINARY, words, { env: { VITRINE_ROOT: ROOT, VITRINE_STATE: STATE }, stdio: "ignore" });
      await Bun.sleep(4 + ((i * 7) % 40));
      child.kill("SIGKILL");
    }
    for (const name of names("-f", "type=custom")) expect(inspect(name).Name).toBe(name);
    const other = newName();
    create(other);
    ok(["network", "prune", "--force"]);
    expect(readdirSync(`${ROOT}/networks`).sort()).toEqual([".turn", "bridge"]);
    ok(["gc"]);
  });

  test("the default network is made again when it is asked for", () => {
    const before = inspect("bridge");
    expect(before.IPAM.Config[0]).toEqual({ Subnet: "10.91.0.0/16", Gateway: "10.91.0.1" });
    expect(ok(["network", "rm", "bridge"])).toBe("bridge\n");
    expect(existsSync(`${ROOT}/networks/bridge`)).toBe(false);
    expect(inspect("bridge").Id).not.toBe(before.Id);
  });
});

test("events tell of it", () => {
  const name = newName();
  const id = create(name);
  ok(["network", "rm", name]);
  const told = ok([
    "events",
    "--since",
    "1h",
    "--until",
    "0s",
    "-f",
    `network=${name}`,
    "--format",
    "{{.Type}} {{.Action}} {{.Actor.ID}} {{.Actor.Attributes.type}}",
  ]);
  expect(told).toBe(`network create ${id} bridge\nnetwork destroy ${id} bridge\n`);
  expect(ok(["events", "--since", "1h", "--until", "0s", "-f", "type=network", "-f", `network=${id}`])).toContain(
    " create ",
  );
});
