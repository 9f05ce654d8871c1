/** A device of the host in a container that may do with devices what it likes: it comes back under its own name, and no other one does. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { holderOf, listRuns } from "../../src/container/runs.ts";
import { watchLeaks } from "../leaks.ts";
import { NetHost } from "../nethost.ts";
import { busybox, ROOT, STATE, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  h.ip("link", "add", "leg", "address", "02:00:00:00:00:77", "type", "veth", "peer", "name", "leg", "netns", h.out);
  h.ip("link", "add", "near", "type", "veth", "peer", "name", "near-peer");
  h.ip("link", "add", "link", "ext", "name", "top", "type", "macvlan");
  for (const name of ["leg", "near", "near-peer", "top"]) h.ip("link", "set", name, "up");
});
afterAll(() => h.close());
afterEach(() => {
  h.vitrine("rm", "-f", "web");
});
watchLeaks();

/** Name, MAC address, MTU, state. */
const links = () =>
  [
    ...h
      .exec(["ip", "-o", "link"])
      .stdout.matchAll(/^\d+: ([^:@]+)\S* <([^>]*)> mtu (\d+) .*link\/\w+ ([0-9a-f:]+).*?(altname .*)?$/gm),
  ].map(([, name, flags = "", mtu, mac, more = ""]) =>
    [name, flags.split(",").includes("UP") ? "up" : "down", mtu, mac, more].join(" ").trim(),
  );

const host = (program: string) => ["-v", `${program}:${program}:ro`];
const lists = () => ["/lib", "/lib64", "/usr/lib"].flatMap(host);

/** With iproute2 of the host, and all rights over its network. */
function sleeps(device: string, ...flags: string[]): void {
  const words = [
    "--name",
    "web",
    "--network-interface",
    device,
    "--cap-add",
    "NET_ADMIN",
    ...lists(),
    ...host("/sbin/ip"),
  ];
  const { stderr, status } = h.vitrine("run", "-d", ...words, ...flags, "--rootfs", busybox(), "sleep", "1000");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
}

function inside(...lines: string[]): void {
  const script = lines.map((line) => `/sbin/ip link ${line} || exit 1`).join("\n");
  const { status, stderr } = h.vitrine("exec", "web", "sh", "-c", script);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
}

const ENDS: Record<string, () => string> = {
  stop: () => h.vitrine("stop", "-t", "0", "web").stderr,
  "kill -9": () => {
    const [run] = listRuns({ root: ROOT, state: STATE });
    if (!run) throw new Error("nothing runs");
    process.kill(holderOf(run).pid, "SIGKILL");
    let said = "";
    const end = performance.now() + 10_000;
    while (readdirSync(`${STATE}/runs`).length > 0) {
      if (performance.now() > end) throw new Error("it is not seen to have ended");
      said += h.vitrine("ps").stderr;
    }
    return said;
  },
};

/** What the containers do, which have the device as "eth0". */
const DEEDS: Record<string, string[]> = {
  "renamed, and another one is called so": [
    "set eth0 down",
    "set eth0 name mine",
    "add eth0 type veth peer name other",
    "set mine name leg",
  ],
  "with other settings": ["set eth0 down", "set eth0 address 02:00:00:00:00:99 mtu 1280"],
  "with a further name, which a device of the host has": ["property add dev eth0 altname ext"],
  "called as a device of the host": ["set eth0 down", "set eth0 name ext"],
  "in a bridge": ["add br0 type bridge", "set eth0 master br0"],
};

describe.each(Object.keys(ENDS))("%s", (how) => {
  const ends = ENDS[how] ?? (() => "");

  for (const device of ["leg", "near", "top"])
    for (const [deed, lines] of Object.entries(DEEDS))
      test(`${device}: ${deed}`, () => {
        const before = links();
        sleeps(`${device}:eth0`);
        expect(links()).not.toEqual(before);
        inside(...lines);
        expect(ends()).toBe("");
        expect(links().sort()).toEqual(before.sort());
        expect(readdirSync(`${STATE}/runs`)).toEqual([]);
      });
});

test("whoever takes it back is killed half way", async () => {
  const before = links();
  sleeps("leg:eth0");
  const [index] = h.vitrine("exec", "web", "ip", "-o", "link", "show", "eth0").stdout.split(":");
  const [run] = listRuns({ root: ROOT, state: STATE });
  if (!run) throw new Error("nothing runs");
  process.kill(holderOf(run).pid, "SIGKILL");
  const between = `vt${Number(index).toString(36)}-${run.id.slice(0, 8)}`;
  const there = ["nsenter", `--net=${run.directory}/netns`, "ip", "link", "set"];
  for (const words of [
    ["eth0", "down"],
    ["eth0", "name", between],
    [between, "netns", h.host],
  ])
    expect(h.exec([...there, ...words]).stderr).toBe("");
  await until(() => h.vitrine("ps", "-q").stdout === "" && readdirSync(`${STATE}/runs`).length === 0, "it has ended");
  expect(links().sort()).toEqual(before.sort());
});

test("all of its names are others' by now", async () => {
  const before = links();
  sleeps("leg:wan0");
  const [run] = listRuns({ root: ROOT, state: STATE });
  for (const name of ["leg", "wan0"]) h.ip("link", "add", name, "type", "bridge");
  const said = ENDS["kill -9"]?.();
  const [, called = ""] =
    /: it is called (\S+), for there is another leg, and another wan0 by now/.exec(said ?? "") ?? [];
  expect(called).toEndWith(`-${run?.id.slice(0, 8)}`);
  for (const name of ["leg", "wan0"]) h.ip("link", "del", name);
  h.ip("link", "set", called, "down");
  h.ip("link", "set", called, "name", "leg");
  h.ip("link", "set", "leg", "up");
  expect(links().sort()).toEqual(before.sort());
});

describe("one that cannot come back is named, and no other one comes", () => {
  test("it is in a network namespace that the container has made, and goes with that", async () => {
    const before = links();
    sleeps("near:eth0", "--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined");
    const { stderr } = h.vitrine(
      "exec",
      "web",
      "sh",
      "-c",
      "unshare -n sleep 1000 < /dev/null > /dev/null 2>&1 & sleep 0.3; /sbin/ip link set eth0 netns $!",
    );
    expect(stderr).toBe("");
    const said = ENDS["kill -9"]?.();
    expect(said).toContain("near, the device of this host that container ");
    expect(said).toContain("it has not come back: the container has deleted it, or moved it elsewhere");
    await until(() => !links().some((line) => line.startsWith("near")), "it goes");
    expect(links().sort()).toEqual(before.filter((line) => !line.startsWith("near")).sort());
    h.ip("link", "add", "near", "type", "veth", "peer", "name", "near-peer");
    for (const name of ["near", "near-peer"]) h.ip("link", "set", name, "up");
  });

  test.each(["leg", "top"])("%s is deleted, and another one has its name and its number", async (device) => {
    const before = links();
    sleeps(`${device}:eth0`);
    const listed = h.vitrine("exec", "web", "ip", "-o", "link", "show", "eth0").stdout;
    inside("del eth0", `add eth0 index ${listed.split(":")[0]} type veth peer name other`);
    const said = ENDS["kill -9"]?.();
    expect(said).toContain(`${device}, the device of this host that container `);
    expect(said).toContain("it has not come back: the container has deleted it");
    const told = h.vitrine(
      "events",
      "--since",
      "1h",
      "--until",
      "0s",
      "-f",
      "event=device",
      "--format",
      "{{.Actor.Attributes.name}}",
    );
    expect(told.stdout.trim().split("\n").at(-1)).toBe(device);
    await until(() => !links().some((line) => line.startsWith(device)), "it goes");
    expect(links().sort()).toEqual(before.filter((line) => !line.startsWith(`${device} `)).sort());
    if (device === "leg") {
      h.ip("link", "add", "leg", "address", "02:00:00:00:00:77", "type", "veth", "peer", "name", "leg", "netns", h.out);
      h.ip("link", "set", "leg", "up");
    } else h.ip("link", "add", "link", "ext", "name", "top", "type", "macvlan");
  });
});
