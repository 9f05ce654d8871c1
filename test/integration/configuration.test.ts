/** What is set once for all containers, and what they are without it. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { HOST_OUTSIDE, NetHost } from "../nethost.ts";
import { BINARY, busybox, directory, STATE } from "../vitrine.ts";

setDefaultTimeout(60_000);

const root = `${directory("configured")}/root`;
const file = `${root}/config.json`;
let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  mkdirSync(root, { mode: 0o700 });
});
const vitrine = (...args: string[]) => h.exec([BINARY, "--root", root, "--state", `${STATE}-configured`, ...args]);
const shell = (script: string, ...flags: string[]) =>
  vitrine("run", "--rm", ...flags, "--rootfs", busybox(), "sh", "-c", script);
const configure = (value: unknown) => writeFileSync(file, JSON.stringify(value));
const SERVER = ["httpd", "-f", "-p", "80", "-h", "/"];
const serve = (name: string, ...flags: string[]) =>
  expect(vitrine("run", "-d", "--name", name, ...flags, "--rootfs", busybox(), ...SERVER).stderr).toBe("");
const ports = (name: string) => vitrine("port", name).stdout;

afterEach(() => {
  const left = vitrine("ps", "-aq").stdout.split("\n").filter(Boolean);
  if (left.length > 0) vitrine("rm", "-f", ...left);
  rmSync(file, { force: true });
});
afterAll(() => h.close());
watchLeaks();

test("without a file a container is on the network bridge, and its ports are for this host alone", () => {
  expect(shell("ip -4 -o addr show eth0; ip route")).toEqual({
    status: 0,
    stderr: "",
    stdout: expect.stringMatching(/inet 10\.91\.0\.2\/16[\s\S]*default via 10\.91\.0\.1 dev eth0/),
  });
  serve("web", "-p", "8080:80");
  expect(vitrine("inspect", "-f", "{{.HostConfig.NetworkMode}}", "web").stdout).toBe("bridge\n");
  expect(ports("web")).toBe("80/tcp -> 127.0.0.1:8080\n");
});

test("it is none if the file says so, and another one where it is asked for", () => {
  configure({ network: "none" });
  expect(shell("ls /sys/class/net").stdout).toBe("lo\n");
  expect(shell("ls /sys/class/net", "--network", "bridge").stdout).toBe("eth0\nlo\n");
  expect(shell("true", "-p", "8080:80").stderr).toContain("with --network none the container has no ports");
});

test("or a network of one's own, which has to be there", () => {
  configure({ network: "house" });
  expect(shell("true").stderr).toContain('no network "house"');
  expect(vitrine("network", "create", "--disable-dns", "--subnet", "10.92.44.0/24", "house").stderr).toBe("");
  expect(shell("ip -4 -o addr show eth0").stdout).toContain("inet 10.92.44.2/24");
  expect(vitrine("network", "rm", "house").status).toBe(0);
});

test("ports are published at another address, unless -p names one; a container keeps what it was made with", () => {
  configure({ "publish-address": "0.0.0.0" });
  serve("wide", "-p", "8080:80", "-p", "127.0.0.1:8081:80");
  expect(ports("wide")).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n");
  const get = (where: string) =>
    h.exec(["/bin/busybox", "nc", "-w", "2", ...where.split(" ")], "out", "GET / HTTP/1.0\r\n\r\n");
  expect(get(`${HOST_OUTSIDE} 8080`).stdout).toContain("404");
  expect(get(`${HOST_OUTSIDE} 8081`).status).not.toBe(0);
  configure({ network: "none" });
  expect(vitrine("restart", "-t", "0", "wide").stderr).toBe("");
  expect(ports("wide")).toBe("80/tcp -> 0.0.0.0:8080\n80/tcp -> 127.0.0.1:8081\n");
  serve("other", "--network", "bridge", "-p", "8082:80");
  expect(ports("other")).toBe("80/tcp -> 127.0.0.1:8082\n");
});

test("a file that is not understood is named, and nothing is made", () => {
  for (const [text, why] of [
    ["{", "not JSON"],
    ['{"publish":"0.0.0.0"}', '"publish" is not known'],
    ['{"publish-address":"everywhere"}', '"publish-address": "everywhere" is no address'],
  ] as const) {
    writeFileSync(file, text);
    const { status, stderr } = shell("true");
    expect({ status, stderr }).toEqual({ status: 125, stderr: expect.stringContaining(`${file}: ${why}`) });
  }
  expect(vitrine("ps", "-aq").stdout).toBe("");
});
