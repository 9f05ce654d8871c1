/** Networks on hosts that have a firewall of others, or forwarded nothing before. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { asking, HOST_OUTSIDE, NEIGHBOUR, NetHost } from "../nethost.ts";

setDefaultTimeout(60_000);

let h: NetHost;
beforeAll(async () => {
  h = new NetHost();
  expect(h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.7.0/24", "front").stderr).toBe("");
  expect(h.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.8.0/24", "back").stderr).toBe("");
  await h.serve(`${NEIGHBOUR}:7000`);
});
afterAll(() => h.close());
watchLeaks();

describe("beside the firewalls of others", () => {
  const asks = asking(`${NEIGHBOUR}:7000`);
  const rules = (...lines: string[]) => expect(h.exec(["nft", "-f", "-"], "host", lines.join("\n")).stderr).toBe("");
  const FORWARD = "add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }";

  test("docker's: the bridge goes through its chain for users, and goes from there with the network", () => {
    h.vitrine("network", "down", "front");
    rules(
      "add table ip filter",
      FORWARD,
      "add chain ip filter DOCKER-USER",
      "add rule ip filter FORWARD jump DOCKER-USER",
    );
    const { stdout, stderr } = h.shell(asks, "--network", "front");
    expect(stderr).toBe("");
    expect(stdout.trim()).toBe(HOST_OUTSIDE);
    const chain = () => h.exec(["nft", "list", "chain", "ip", "filter", "DOCKER-USER"]).stdout;
    expect(chain().match(/accept/g)?.length).toBe(2);
    h.vitrine("network", "up", "front"); // again: not twice
    expect(chain().match(/accept/g)?.length).toBe(2);
    expect(h.shell(asking("10.92.7.2"), "--network", "back").stdout).toBe(""); // and no wider
    expect(h.vitrine("network", "down", "front", "back").stderr).toBe("");
    expect(chain()).not.toContain("accept");
    rules("delete table ip filter");
  });

  test("one that drops, and leaves no place: it is named", () => {
    rules("add table ip filter", FORWARD);
    const { stdout, stderr } = h.shell(asks, "--network", "front");
    expect(stdout).toBe("");
    expect(stderr).toContain("warning: the firewall's table ip filter may drop");
    rules("delete table ip filter");
    expect(h.shell(asks, "--network", "front").stdout.trim()).toBe(HOST_OUTSIDE);
  });
});

describe("a host that forwarded nothing", () => {
  test("does so for containers, and still not between its own devices; others' later ones are let be", () => {
    const sides = [
      ["left", "198.51.100.1/25", "198.51.100.2/25"],
      ["right", "198.51.100.129/25", "198.51.100.130/25"],
    ] as const;
    const other = new NetHost();
    try {
      for (const [name, near, far] of sides) {
        expect(other.exec(["ip", "netns", "add", `${other.host}-${name}`]).status).toBe(0);
        other.ip("link", "add", name, "type", "veth", "peer", "name", "e", "netns", `${other.host}-${name}`);
        other.ip("addr", "add", near, "dev", name);
        other.ip("link", "set", name, "up");
        for (const words of [
          ["addr", "add", far, "dev", "e"],
          ["link", "set", "e", "up"],
          ["route", "add", "default", "via", near.split("/")[0] ?? ""],
        ])
          other.exec(["ip", "-n", `${other.host}-${name}`, ...words]);
      }
      const ping = () =>
        other.exec([
          "ip",
          "netns",
          "exec",
          `${other.host}-left`,
          "/bin/busybox",
          "ping",
          "-c",
          "1",
          "-W",
          "1",
          "198.51.100.130",
        ]).status;
      other.exec(["/bin/busybox", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"]); // a new one may have what the first has
      expect(ping()).not.toBe(0); // it is no router
      expect(other.vitrine("network", "create", "--disable-dns", "--subnet", "10.92.21.0/24", "routed").stderr).toBe(
        "",
      );
      expect(other.vitrine("network", "up", "routed").stderr).toBe("");
      expect(other.exec(["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout).toBe("1\n");
      expect(ping()).not.toBe(0);
      expect(
        other.exec([
          "nft",
          "delete",
          "table",
          "inet",
          other.exec(["nft", "list", "tables"]).stdout.trim().split(" ").at(-1) ?? "",
        ]).status,
      ).toBe(0);
      expect(ping()).toBe(0); // it is the rule that held
      expect(other.vitrine("network", "up", "routed").stderr).toBe("");
      expect(ping()).not.toBe(0);
      other.ip("link", "set", "right", "down");
      other.ip("link", "set", "right", "name", "docker9"); // as if it had come later
      other.ip("link", "set", "docker9", "up");
      expect(ping()).toBe(0);
    } finally {
      other.vitrine("network", "rm", "routed");
      for (const [name] of sides) other.exec(["ip", "netns", "del", `${other.host}-${name}`]);
      other.close();
    }
  });
});
