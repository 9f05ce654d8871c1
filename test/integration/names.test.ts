/** Containers find each other by name, on a host of their own. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
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
  vitrine("rm", "--force", "web", "db");
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

test("by name and alias, on the networks that they share; the resolver is nobody's child, and ends after them", async () => {
  start("web", "--network", "front", "--network-alias", "www");
  start("db", "--network", "back");
  expect(addresses("web", "front")).toEqual(addressOf("web", "front"));
  expect(addresses("www", "front")).toEqual(addressOf("web", "front"));
  expect(addresses("db", "front")).toEqual([]);
  expect(addresses("db", "front", "back")).toEqual(addressOf("db", "back"));
  expect(addresses("web", "back", "front")).toEqual(addressOf("web", "front"));
  const wide = vitrine("run", "--rm", "--network", "front", "-p", "0.0.0.0:53:53/udp", "--rootfs", busybox(), "true");
  expect(wide.stderr).toContain("the resolver of networks has this port at their gateways: publish it at one address");
  ok("run", "--rm", "--network", "front", "-p", "127.0.0.1:53:53/udp", "--rootfs", busybox(), "true");
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
