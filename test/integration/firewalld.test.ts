/** Beside firewalld, which runs here on a host made of network namespaces: what its rules do to containers, and what we say of it. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, NEIGHBOUR, NetHost } from "../nethost.ts";
import { has, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

const lacking = ["firewalld", "firewall-cmd", "dbus-daemon"].find((program) => !has(program));
if (lacking) console.log(`(skip) beside firewalld: ${lacking} is not installed`);

const BRIDGE = "front0";

describe.skipIf(lacking !== undefined)("beside firewalld", () => {
  let h: NetHost;
  let daemon: ChildProcess;
  const command = (...words: string[]) =>
    h.exec(["nsenter", "-t", String(daemon.pid), "-m", "firewall-cmd", ...words]).stdout.trim();
  beforeAll(async () => {
    h = new NetHost();
    await h.serve(`${NEIGHBOUR}:7000`);
    // A bus of its own, and the rules that it has without any configuration.
    const script = `mount -t tmpfs none /run && mkdir /run/dbus && { ! test -d /etc/firewalld || mount -t tmpfs none /etc/firewalld; } || exit
dbus-daemon --system --nopidfile --nofork &
exec firewalld --nofork --nopid --log-target=console`;
    const apart = [`--net=/run/netns/${h.host}`, "unshare", "--mount", "sh", "-c", script];
    daemon = spawn("nsenter", apart, { stdio: "ignore", detached: true });
    await until(() => command("--state") === "running", "firewalld", 30_000);
    h.vitrine("network", "create", "--interface-name", BRIDGE, "--subnet", "10.92.35.0/24", "front");
  });
  afterAll(() => {
    process.kill(-(daemon.pid ?? Number.NaN), "SIGKILL"); // with its bus
    h.vitrine("network", "rm", "front");
    h.close();
  });
  afterEach(() => {
    h.vitrine("rm", "-f", "web");
  });
  watchLeaks();

  const out = asking(`${NEIGHBOUR}:7000`);
  const resolves = "nslookup web 2>&1";
  const server = () => h.server("web", "--network", "front", "-p", "0.0.0.0:8080:80");

  test("what containers send is rejected: that is told, with what to do; questions for names are answered", () => {
    const { stdout, stderr } = h.shell(out, "--network", "front");
    expect(stdout).toBe("");
    expect(stderr).toContain(`firewall-cmd --permanent --zone=trusted --add-interface=${BRIDGE}`);
    server();
    expect(h.shell(resolves, "--network", "front").stdout).toContain("10.92.35.2"); // turned to the resolver's port, which it lets through
  });

  test("published ports are let through all the same", () => {
    server();
    expect(h.ask(`${HOST_OUTSIDE}:8080`, "out")).toBe(NEIGHBOUR);
    expect(h.ask("127.0.0.1:8080")).toBe("10.92.35.1");
  });

  test("done as told, all of it works, also after firewalld has loaded its rules anew, and nothing is told any more", () => {
    expect(command("--permanent", "--zone=trusted", `--add-interface=${BRIDGE}`)).toBe("success");
    expect(command("--reload")).toBe("success");
    expect(h.vitrine("network", "up", "front")).toMatchObject({ status: 0, stderr: "" });
    server();
    const { stdout, stderr } = h.shell(`${out}; ${resolves}`, "--network", "front");
    expect(stderr).toBe("");
    expect(stdout).toStartWith(`${HOST_OUTSIDE}\n`);
    expect(stdout).toContain("10.92.35.2");
    expect(h.ask(`${HOST_OUTSIDE}:8080`, "out")).toBe(NEIGHBOUR);
    expect(h.ask("10.92.35.2", "out")).toBe(""); // nothing else comes in
  });
});
