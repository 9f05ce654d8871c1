/** Containers that are started again at once, while the kernel still takes away what the last start had: same address, MAC, names, ports. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { NEIGHBOUR, NetHost } from "../nethost.ts";
import { busybox, until } from "../vitrine.ts";

setDefaultTimeout(60_000);

const TIMES = 8;

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  const lan = ["-d", "macvlan", "-o", "parent=ext", "--subnet", "203.0.113.0/24", "--gateway", NEIGHBOUR];
  for (const words of [
    ["--subnet", "10.92.33.0/24", "--disable-dns", "front"],
    [...lan, "lan"],
  ])
    expect(h.vitrine("network", "create", ...words).stderr).toBe("");
  expect(h.vitrine("network", "up", "front").stderr).toBe("");
});
afterAll(() => {
  h.vitrine("network", "rm", "front", "lan");
  h.close();
});
afterEach(() => {
  const left = h.vitrine("ps", "-aq").stdout.split("\n").filter(Boolean);
  if (left.length > 0) h.vitrine("rm", "-f", ...left);
});
watchLeaks();

const own = (address: string) => [`ip=${address}`, "mac=02:00:00:00:00:07", "interface=front0"].join(",");

describe.each([
  ["a bridge network", ["--network", `front:${own("10.92.33.9")}`, "-p", "8080:80"], "127.0.0.1:8080", "host"],
  ["a macvlan network", ["--network", `lan:${own("203.0.113.77")}`], "203.0.113.77", "out"],
] as const)("on %s", (_, flags, address, from) => {
  const answers = () => until(() => h.ask(address, from) !== "", "it answers", 3000);

  test("restart", async () => {
    h.server("web", ...flags);
    for (let i = 0; i < TIMES; i++) {
      expect(h.vitrine("restart", "-t", "0", "web").stderr).toBe("");
      await answers();
    }
  });

  test("stop and start, rm -f and run", async () => {
    h.server("web", ...flags);
    for (let i = 0; i < TIMES; i++) {
      expect(h.vitrine("stop", "-t", "0", "web").stderr).toBe("");
      expect(h.vitrine("start", "web").stderr).toBe("");
    }
    await answers();
    for (let i = 0; i < TIMES; i++) {
      expect(h.vitrine("rm", "-f", "web").stderr).toBe("");
      h.server("web", ...flags);
    }
    await answers();
  });

  test("run --rm, one behind the other, and one that fails", () => {
    for (let i = 0; i < TIMES; i++)
      for (const [command, status] of [
        ["true", 0],
        ["/nosuch", 127],
      ] as const)
        expect(h.vitrine("run", "--rm", ...flags, "--rootfs", busybox(), command).status).toBe(status);
  });
});
