import { describe, expect, test } from "bun:test";
import { networkScript, tableScript } from "./firewall.ts";

const OPEN = { v4: [], v6: [] };

const NETWORK = {
  device: "vitrine0",
  v4: { subnet: "10.91.0.0/16", gateway: "10.91.0.1" },
  v6: { subnet: "fd12::/64", gateway: "fd12::1" },
  internal: false,
  masquerade: true,
  names: true,
};

describe("the table", () => {
  test("chains are flushed before rules come, and each is added first", () => {
    const lines = tableScript("vitrine", OPEN).trim().split("\n");
    const at = (start: string) => lines.findIndex((line) => line.startsWith(start));
    for (const chain of ["first", "publish", "prerouting", "output", "postrouting", "forward"]) {
      const places = ["add chain", "flush chain", "add rule"].map((verb) => at(`${verb} inet vitrine ${chain}`));
      expect(places.every((place) => place >= 0)).toBe(true);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }
    expect(lines.some((line) => /flush (table|ruleset|map|set)/.test(line))).toBe(false); // elements stay
  });

  test("a host that did not forward still does not, between the devices that it had", () => {
    const script = tableScript("t", { v4: ["eth0", "eth1"], v6: [] });
    const drop = 'meta nfproto ipv4 iifname { "eth0", "eth1" } oifname { "eth0", "eth1" } drop';
    expect(script).toContain(drop);
    expect(script.indexOf(drop)).toBeLessThan(script.indexOf("forward iifname != @bridges oifname != @bridges accept"));
    expect(script).not.toContain("nfproto ipv6 iifname");
    expect(tableScript("t", OPEN)).not.toContain("nfproto ipv4 iifname");
  });
});

describe("a network", () => {
  test("what is added is deleted, and nothing else", () => {
    const lines = networkScript("t", NETWORK, "delete").trim().split("\n");
    const [added, deleted] = [lines.slice(0, lines.length / 2), lines.slice(lines.length / 2)];
    expect(deleted).toEqual(added.map((line) => line.replace("add", "delete")));
    expect(added.join("\n")).toBe(networkScript("t", NETWORK, "add").trim());
  });

  test("an internal one is not behind the host's address", () => {
    const script = networkScript("t", { ...NETWORK, internal: true }, "add");
    expect(script).toContain('internal { "vitrine0" }');
    expect(script).not.toContain("behind");
  });

  test("without masquerade, and without IPv6", () => {
    const { v6: _, ...four } = NETWORK;
    expect(networkScript("t", { ...four, masquerade: false }, "add")).not.toMatch(/behind|hairpin6/);
  });
});
