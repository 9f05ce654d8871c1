/** Containers find each other by name, on a host of their own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { RESOLVER_PORT } from "../../src/plan/network/firewall.ts";
import { BINARY, busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

const HOST = "vtn-host";
const RESOLVER = `${STATE}/networks/.resolver`;

beforeAll(() => {
  execFileSync("ip", ["netns", "add", HOST]);
  execFileSync("ip", ["-n", HOST, "link", "set", "lo", "up"]);
  for (const network of ["front", "back"]) ok("network", "create", network);
});
afterAll(() => {
  vitrine("rm", "--force", "web", "db", "hole");
  vitrine("network", "rm", "front", "back");
  execFileSync("ip", ["netns", "delete", HOST]);
});

function vitrine(...args: string[]) {
  const { status, stdout, stderr } = spawnSync("ip", ["netns", "exec", HOST, BINARY, ...args], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
  });
  return { status, stdout, stderr };
}

function ok(...args: string[]): string {
  const { status, stdout, stderr } = vitrine(...args);
  expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
  return stdout;
}

const start = (name: string, ...flags: string[]) =>
  ok("run", "--detach", "--name", name, ...flags, "--rootfs", busybox(), "sleep", "1000");

/** As a container on these networks sees it. */
function addresses(name: string, ...networks: string[]): string[] {
  const flags = networks.flatMap((network) => ["--network", network]);
  const { stdout } = vitrine("run", "--rm", ...flags, "--rootfs", busybox(), "nslookup", name);
  const answers = stdout.slice(stdout.indexOf("\n\n"));
  return [...answers.matchAll(/^Address: (\S+)$/gm)].map(([, address]) => address ?? "").sort();
}

const addressOf = (name: string, network: string) => {
  const found = Object.values(JSON.parse(ok("network", "inspect", network))[0].Containers) as Record<string, string>[];
  const one = found.find(({ Name }) => Name === name);
  return [one?.IPv4Address, one?.IPv6Address].map((text) => text?.replace(/\/.*/, "") ?? "").sort();
};

function resolver(): number | undefined {
  if (!existsSync(RESOLVER)) return undefined;
  const ids = readdirSync(RESOLVER).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const pids = new Set(ids.map((id) => Number(readlinkSync(`${RESOLVER}/${id}`).split(".")[0])));
  return [...pids].find((pid) => existsSync(`/proc/${pid}`));
}

test("the host asks the resolver of each network, at its gateway", () => {
  start("web", "--network", "front", "--network", "back");
  for (const network of ["front", "back"]) {
    const { gateway } = JSON.parse(readFileSync(`${ROOT}/networks/${network}/network.json`, "utf8")).v4;
    const asked = ["netns", "exec", HOST, "busybox", "nslookup", "-type=a", "web", gateway];
    const { stdout } = spawnSync("ip", asked, { encoding: "utf8" });
    expect({ network, stdout }).toEqual({ network, stdout: expect.stringMatching(/^Name:\tweb\nAddress: /m) });
  }
  ok("rm", "--force", "web");
});

test("by name and alias, on the networks that they share; the resolver is nobody's child, and ends after them", async () => {
  start("web", "--network", "front", "--network-alias", "www");
  start("db", "--network", "back");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  expect(addresses("www", "front")).toEqual(addressOf("web", "front"));
  expect(addresses("db", "front")).toEqual([]);
  expect(addresses("db", "front", "back")).toEqual(addressOf("db", "back"));
  expect(addresses("web", "back", "front")).toEqual(addressOf("web", "front"));
  const port = `0.0.0.0:${RESOLVER_PORT}:53/udp`;
  const wide = vitrine("run", "--rm", "--network", "front", "-p", port, "--rootfs", busybox(), "true");
  expect(wide.stderr).toContain("the resolver of networks has this port at their gateways: publish it at one address");
  const pid = resolver() ?? 0;
  await until(
    () => !readFileSync(`/proc/${pid}/cgroup`, "utf8").includes("vitrine-"),
    "the resolver to leave the group",
  );
  ok("restart", "--time", "0", "web");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  process.kill(pid, "SIGKILL");
  await until(() => !existsSync(`/proc/${pid}`), "the resolver to be gone");
  expect(addresses("www", "front")).toEqual(addressOf("web", "front"));
  ok("rm", "--force", "web");
  expect(addresses("web", "front")).toEqual([]);
  expect(resolver()).not.toBeUndefined();
  ok("rm", "--force", "db");
  await until(() => resolver() === undefined, "the resolver to end", 20_000);
});

test("a container may have port 53 of all addresses: it is asked by others, and the resolver by containers", async () => {
  // Whatever it is asked, it says one address.
  const script = `import socket
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.bind(("::", 53))
while True:
    q, who = s.recvfrom(512)
    s.sendto(q[:2] + bytes.fromhex("818000010001" + "0000" * 2) + q[12:] + bytes.fromhex("c00c000100010000003c0004c000024d"), who)`;
  const ports = ["0.0.0.0:53:53/udp", "[::]:53:53/udp", "0.0.0.0:53:53/tcp", "[::]:53:53/tcp"];
  const flags = [
    ...["/usr", "/lib", "/lib64"].flatMap((path) => ["-v", `${path}:${path}:ro`]),
    ...ports.flatMap((port) => ["-p", port]),
  ];
  start("web", "--network", "front");
  const hole = ["run", "-d", "--network", "front", "--name", "hole", ...flags, "--rootfs", busybox()];
  ok(...hole, "/usr/bin/python3", "-c", script);
  const network = JSON.parse(ok("network", "inspect", "front"))[0];
  const [gateway, gateway6] = network.IPAM.Config.map(({ Gateway }: { Gateway: string }) => Gateway);
  const asked = (server: string, name: string) =>
    spawnSync("ip", ["netns", "exec", HOST, "busybox", "nslookup", "-type=a", name, server], { encoding: "utf8" })
      .stdout;
  const hears = () => asked("127.0.0.1", "of-its-own").includes("192.0.2.77");
  await until(hears, "it answers who asks the host");
  for (const server of [gateway, gateway6]) expect(asked(server, "web")).toContain(addressOf("web", "front")[0] ?? "-");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  expect(addresses("of-its-own", "front")).toEqual([]);
  const between = vitrine(
    "run",
    "--rm",
    "--network",
    "back",
    "--rootfs",
    busybox(),
    "nslookup",
    "-type=a",
    "web",
    gateway,
  );
  expect(between.stdout).not.toContain("192.0.2.77");
  // Another who empties the firewall takes both away; the next command that looks hard puts them back.
  execFileSync("ip", ["netns", "exec", HOST, "nft", "flush", "ruleset"]);
  ok("ps");
  await until(hears, "it answers again");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  ok("rm", "-f", "hole", "web");
  await until(() => resolver() === undefined, "the resolver to end", 20_000);
});

test("another program may have port 53 of all addresses", async () => {
  const program = spawn("ip", ["netns", "exec", HOST, "busybox", "nc", "-l", "-p", "53"], { stdio: "ignore" });
  const held = () =>
    execFileSync("ip", ["netns", "exec", HOST, "cat", "/proc/net/tcp", "/proc/net/tcp6"], { encoding: "utf8" });
  await until(() => held().includes(":0035 "), "it listens");
  start("web", "--network", "front");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  ok("rm", "-f", "web");
  program.kill("SIGKILL");
  await until(() => resolver() === undefined, "the resolver to end", 20_000);
});
