/** IPv6 addresses that are asked for. */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { asking, NetHost } from "../nethost.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  const six = ["--subnet", "10.92.21.0/24", "--subnet", "fd00:21::/64"];
  expect(h.vitrine("network", "create", ...six, "six").stderr).toBe("");
  expect(h.vitrine("network", "create", "--ipv6=false", "--subnet", "10.92.22.0/24", "four").stderr).toBe("");
  await h.serve("127.0.0.1:9999", "host"); // a process in there: the namespace is none that is left behind
});
afterAll(() => h.close());
afterEach(() => {
  const left = h
    .vitrine("ps", "-aq")
    .stdout.split("\n")
    .filter((id) => id !== "");
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
});
watchLeaks();

test("the address that was asked for is reached, by name too, and told of", () => {
  h.server("web", "--network", "six", "--ip6", "fd00:21::0:7");
  expect(h.ask("[fd00:21::7]")).toBe("fd00:21::1");
  const script = `${asking("[fd00:21::7]")}; nslookup -type=aaaa web 10.92.21.1; nslookup fd00:21::7 10.92.21.1; cat /etc/hosts`;
  const { stdout } = h.shell(script, "--network", "six:ip6=fd00:21::8");
  expect(stdout).toContain("fd00:21::8\n");
  expect(stdout).toContain("fd00:21::7");
  expect(stdout).toContain("name = web.six");
  expect(stdout).toMatch(/^fd00:21::8\t[0-9a-f]{12}$/m);
  const format = "{{range .NetworkSettings.Networks}}{{.GlobalIPv6Address}}{{end}}";
  expect(h.vitrine("inspect", "-f", format, "web").stdout).toBe("fd00:21::7\n");
  expect(h.vitrine("network", "inspect", "six").stdout).toContain('"fd00:21::7/64"');
});

test("one that is made of an IPv4 address chooses both", () => {
  const { stdout } = h.shell("ip -o addr show eth0", "--network", "six", "--ip6", "fd00:21::a5c:154d");
  expect(stdout).toContain("inet 10.92.21.77/24");
  expect(stdout).toContain("inet6 fd00:21::a5c:154d/64");
  h.server("web", "--network", "six", "--ip", "10.92.21.77");
  const format = "{{.NetworkSettings.Networks.six.GlobalIPv6Address}}";
  expect(h.vitrine("inspect", "-f", format, "web").stdout).toBe("fd00:21::a5c:154d\n");
  const taken = h.shell("true", "--network", "six", "--ip6", "fd00:21::a5c:154d");
  expect(taken.stderr).toContain("the address 10.92.21.77 of network six is taken");
  const other = h.shell("true", "--network", "six", "--ip6", "fd00:21::a5c:154d", "--ip", "10.92.21.78");
  expect(other.stderr).toContain("--ip6 fd00:21::a5c:154d: it belongs to 10.92.21.77, and --ip is 10.92.21.78");
});

test("a restart has it again", () => {
  h.server("web", "--network", "six", "--ip6", "fd00:21::7");
  expect(h.vitrine("restart", "-t", "0", "web").status).toBe(0);
  h.listens("web");
  expect(h.ask("[fd00:21::7]")).toBe("fd00:21::1");
});

test("what is refused, by name", () => {
  h.server("web", "--network", "six", "--ip6", "fd00:21::7");
  const refused = (network: string, ip6: string) => {
    const { status, stderr } = h.shell("true", "--network", network, "--ip6", ip6);
    expect(status).toBe(125);
    return stderr;
  };
  expect(refused("six", "fd00:21::7")).toContain("the address fd00:21::7 of network six is taken");
  expect(refused("six", "fd00:22::7")).toContain("--ip6 fd00:22::7: no address of a container in this network");
  expect(refused("six", "fd00:22::7")).toContain("network six has fd00:21::/64");
  expect(refused("six", "fd00:21::")).toContain("no address of a container");
  expect(refused("six", "fd00:21::1")).toContain("--ip6 fd00:21::1: that is the gateway");
  expect(refused("four", "fd00:21::7")).toContain("--ip6 fd00:21::7: network four has no IPv6");
  expect(refused("six", "fd00:21::x")).toContain('--ip6 "fd00:21::x": not an IPv6 address');
  expect(refused("six", "10.92.21.7")).toContain('--ip6 "10.92.21.7": not an IPv6 address');
});
