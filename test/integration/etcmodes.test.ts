/** /etc/hosts, /etc/resolv.conf and the name of containers without networks of the engine: the host's, another container's, or the image's. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { watchLeaks } from "../leaks.ts";
import { NetHost } from "../nethost.ts";
import { busybox } from "../vitrine.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  await h.serve("127.0.0.1:9999", "host"); // somebody is there, besides the resolver of names
  for (const [name, subnet] of [
    ["front", "10.92.45.0/24"],
    ["back", "10.92.46.0/24"],
  ] as const)
    expect(h.vitrine("network", "create", "--ipv6=false", "--subnet", subnet, name).stderr).toBe("");
});
afterAll(() => h.close());
afterEach(() => {
  const ids = h.vitrine("ps", "-aq").stdout.split("\n");
  const left = ids.filter((id) => id !== "");
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
});
watchLeaks();

const FILES = ["hosts", "resolv.conf", "hostname"] as const;
const SHOW = `${FILES.map((name) => `cat /etc/${name} 2>/dev/null || echo none; echo ==`).join("; ")}; hostname`;
function filesIn(text: string) {
  const [hosts, resolv, file, name] = text.split("==\n");
  return { hosts, resolv, file, name: name?.trim() };
}
const seen = (...flags: string[]) => filesIn(h.shell(SHOW, ...flags).stdout);
const detached = (name: string, ...flags: string[]) =>
  expect(h.vitrine("run", "-d", "--name", name, ...flags, "--rootfs", busybox(), "sleep", "1000").stderr).toBe("");
const ofHost = (name: string) => {
  const text = existsSync(`/etc/${name}`) ? readFileSync(`/etc/${name}`, "utf8") : "";
  return text === "" || text.endsWith("\n") || name !== "hosts" ? text : `${text}\n`;
};

describe("the host's network", () => {
  test("names are found as the host finds them, and the container has its name", () => {
    expect(seen("--network", "host")).toEqual({
      hosts: ofHost("hosts"),
      resolv: ofHost("resolv.conf"),
      file: `${hostname()}\n`,
      name: hostname(),
    });
    expect(seen("--network", "host", "--uts", "host").name).toBe(hostname());
    expect(h.shell("echo $HOSTNAME", "--network", "host").stdout).toBe(`${hostname()}\n`);
  });

  test("what is asked for comes besides", () => {
    const flags = ["--hostname", "own", "--add-host", "db:192.0.2.7", "--add-host", "here:host-gateway"];
    const dns = ["--dns", "127.0.0.53", "--dns-search", "example.com", "--dns-option", "rotate"];
    expect(seen("--network", "host", ...flags, ...dns)).toEqual({
      hosts: `${ofHost("hosts")}192.0.2.7\tdb\n127.0.0.1\there\n127.0.1.1\town\n`,
      resolv: "nameserver 127.0.0.53\nsearch example.com\noptions rotate\n",
      file: "own\n",
      name: "own",
    });
  });

  test("or stays the image's", () => {
    const image = seen("--network", "none");
    const { hosts, resolv, file } = seen("--network", "host", "--no-hosts", "--no-hostname", "--dns", "none");
    expect({ hosts, resolv, file }).toEqual({ hosts: image.hosts, resolv: image.resolv, file: image.file });
  });

  test("a container that stays has the host's files as they are at each start", () => {
    const run = ["create", "--name", "stays", "--network", "host", "--rootfs", busybox(), "sh", "-c", SHOW];
    expect(h.vitrine(...run).stderr).toBe("");
    for (const _ of [1, 2]) expect(filesIn(h.vitrine("start", "-a", "stays").stdout).hosts).toBe(ofHost("hosts"));
    expect(h.vitrine("inspect", "-f", "{{.HostsPath}}", "stays").stdout).toMatch(/containers\/\w+\/hosts\n$/);
  });
});

describe("another container's network", () => {
  test("its files and its name: names are found, and what changes later is seen", () => {
    h.server("web", "--network", "front", "--hostname", "www");
    h.server("db", "--network", "front");
    detached("side", "--network", "container:web");
    const show = (name: string) => filesIn(h.vitrine("exec", name, "sh", "-c", SHOW).stdout);
    expect(show("side")).toEqual(show("web"));
    expect(show("side").name).toBe("www");
    expect(h.vitrine("exec", "side", "nslookup", "-type=a", "db").stdout).toContain("Address: 10.92.45.3");
    expect(h.vitrine("network", "connect", "back", "web").stderr).toBe("");
    expect(show("side")).toEqual(show("web"));
    expect(show("side").hosts).toContain("10.92.46.2");
    // And of one that has them from another.
    expect(seen("--network", "container:side")).toEqual(show("web"));
    expect(seen("--network", "container:side", "--hostname", "own")).toEqual({
      ...show("web"),
      file: "own\n",
      name: "own",
    });
    // They are not those of who has them from it.
    h.vitrine("rm", "-f", "side");
    expect(show("web").hosts).toContain("10.92.45.2");
  });

  test("where that has the image's, so has this one", () => {
    detached("bare", "--network", "none");
    const { hosts, resolv, file } = seen("--network", "container:bare");
    const image = seen("--network", "none");
    expect({ hosts, resolv, file }).toEqual({ hosts: image.hosts, resolv: image.resolv, file: image.file });
  });

  test("what would change that one's files is refused by name", () => {
    detached("bare", "--network", "none");
    for (const [flag, value] of [
      ["--add-host", "a:192.0.2.1"],
      ["--dns", "192.0.2.1"],
      ["--dns-search", "example.com"],
      ["--dns-option", "rotate"],
    ] as const) {
      const { status, stderr } = h.shell("true", "--network", "container:bare", flag, value);
      expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(`${flag} ${value}: with`) });
    }
  });
});

describe("no network of the engine", () => {
  test("none: the image's files, but what is asked for", () => {
    const flags = ["--add-host", "db:192.0.2.7", "--dns", "192.0.2.53", "--dns-search", "example.com"];
    const { hosts, resolv, name } = seen("--network", "none", "--hostname", "own", ...flags);
    expect(hosts).toContain("127.0.0.1\tlocalhost\n");
    expect(hosts).toEndWith("192.0.2.7\tdb\n127.0.1.1\town\n");
    expect(resolv).toBe("nameserver 192.0.2.53\nsearch example.com\n");
    expect(name).toBe("own");
    const { stderr, status } = h.shell("true", "--network", "none", "--add-host", "x:host-gateway");
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining("no network with a gateway") });
  });

  test("ns: what ip-netns(8) has for it, else the host's name servers", () => {
    const name = `vt-etc-${process.pid}`;
    const place = `/etc/netns/${name}`;
    const was = existsSync("/etc/netns");
    expect(spawnSync("ip", ["netns", "add", name]).status).toBe(0);
    try {
      const flags = ["--network", `ns:/run/netns/${name}`, "--userns", "host", "--hostname", "own"];
      const { hosts, file } = seen(...flags);
      expect(hosts).toEndWith("127.0.1.1\town\n");
      expect(file).toBe("own\n");
      mkdirSync(place, { recursive: true });
      writeFileSync(`${place}/resolv.conf`, "nameserver 192.0.2.53\n");
      expect(seen(...flags).resolv).toBe("nameserver 192.0.2.53\n");
    } finally {
      rmSync(was ? place : "/etc/netns", { recursive: true, force: true });
      spawnSync("ip", ["netns", "del", name]);
    }
  });
});
