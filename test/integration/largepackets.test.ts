/** What containers and the host hand each other as one packet: more than 64 KiB where nothing has to cut it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { watchLeaks } from "../leaks.ts";
import { HOST_OUTSIDE, NEIGHBOUR, NetHost } from "../nethost.ts";
import { busybox } from "../vitrine.ts";

setDefaultTimeout(60_000);

const MEGABYTES = 64;
const SENT = `dd if=/dev/zero bs=1M count=${MEGABYTES} 2>/dev/null`;
/** Of so many zeros. */
const SUM = new Bun.CryptoHasher("md5").update(new Uint8Array(MEGABYTES * 2 ** 20)).digest("hex");
/** Tells whoever sends the sum of what has come. */
const SINK = ["/bin/busybox", "nc", "-ll", "-p", "5000", "-e", "/bin/busybox", "md5sum"];
const NETWORKS = ["cellar", "plain", "front", "large"] as const;
type Name = (typeof NETWORKS)[number];

let h: NetHost;
beforeAll(() => {
  h = new NetHost();
  const make = (name: Name, ...words: string[]) =>
    expect(h.vitrine("network", "create", ...words, name).stderr).toBe("");
  make("cellar", "--internal", "--subnet", "10.92.41.0/24", "--subnet", "fd00:41::/64");
  make("plain", "--internal", "--subnet", "10.92.42.0/24", "-o", "gso_max_size=65536");
  make("front", "--subnet", "10.92.43.0/24");
  make("large", "--subnet", "10.92.44.0/24", "-o", "gso_max_size=131072");
  for (const name of NETWORKS) {
    const ports = name === "large" ? ["-p", `${HOST_OUTSIDE}:6000:5000`] : [];
    h.vitrine("run", "-d", "--name", name, "--network", name, ...ports, "--rootfs", busybox(), ...SINK);
  }
  h.sink("host");
  h.sink("out");
  // The hook sees frames as the ports of bridges hand them over, and "length" is that of what is handed on.
  const script = `add table bridge seen
add chain bridge seen in { type filter hook prerouting priority 0; }
add chain bridge seen out { type filter hook output priority 0; }
add counter bridge seen fromPorts
add counter bridge seen fromHost
add rule bridge seen in meta length > 65600 counter name fromPorts
add rule bridge seen out meta length > 65600 counter name fromHost
`;
  expect(h.exec(["nft", "-f", "-"], "host", script).stderr).toBe("");
});
afterAll(() => {
  h.vitrine("rm", "-f", ...NETWORKS);
  h.close();
});
watchLeaks();

/** Since it was asked last. */
function large(counter: "fromPorts" | "fromHost" = "fromPorts"): number {
  const { stdout } = h.exec(["nft", "-j", "reset", "counter", "bridge", "seen", counter]);
  return JSON.parse(stdout).nftables.find((one: object) => "counter" in one).counter.packets;
}

const at = (name: Name, what = "IPAddress") =>
  h.vitrine("inspect", "-f", `{{(index .NetworkSettings.Networks "${name}").${what}}}`, name).stdout.trim();
const send = (where: string, port = 5000) => `${SENT} | nc ${where} ${port}`;
/** What the other end says of what it gets from another container there. */
const fromContainer = (name: Name, where: string) =>
  h.shell(send(where), "--network", name).stdout.slice(0, SUM.length);
const fromHost = (line: string, from: "host" | "out" = "host") =>
  h.exec(["/bin/busybox", "sh", "-c", line], from).stdout.slice(0, SUM.length);

test("between containers of an internal network, of both families", () => {
  large();
  expect(fromContainer("cellar", at("cellar"))).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
  expect(fromContainer("cellar", at("cellar", "GlobalIPv6Address"))).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
});

test("between an internal network and the host", () => {
  large();
  large("fromHost");
  expect(fromContainer("cellar", "10.92.41.1")).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
  expect(fromHost(send(at("cellar")))).toBe(SUM);
  expect(large("fromHost")).toBeGreaterThan(0);
});

test("not where it was not asked for, and a device outside might have to cut them", () => {
  large();
  for (const name of ["plain", "front"] as const) expect(fromContainer(name, at(name))).toBe(SUM);
  expect(fromContainer("front", NEIGHBOUR)).toBe(SUM);
  expect(large()).toBe(0);
});

test("where it was asked for, also to others and by published ports: the host cuts what its devices do not take", () => {
  large();
  expect(fromContainer("large", at("large"))).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
  expect(fromContainer("large", NEIGHBOUR)).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
  expect(fromHost(send(HOST_OUTSIDE, 6000), "out")).toBe(SUM);
});

test("for a container that comes later, and that is on another network, too", () => {
  large();
  const run = ["run", "-d", "--name", "late", "--network", "front", "--rootfs", busybox(), "sleep", "1000"];
  expect(h.vitrine(...run).status).toBe(0);
  expect(h.vitrine("network", "connect", "cellar", "late").stderr).toBe("");
  const sum = (where: string) => h.vitrine("exec", "late", "sh", "-c", send(where)).stdout.slice(0, SUM.length);
  expect(sum(at("cellar"))).toBe(SUM);
  expect(large()).toBeGreaterThan(0);
  expect(sum(NEIGHBOUR)).toBe(SUM);
  expect(large()).toBe(0);
  h.vitrine("rm", "-f", "late");
});

test("is told by --explain, and refused by name where it makes no sense", () => {
  const { stdout } = h.vitrine("run", "--explain", "--network", "cellar", "--rootfs", busybox(), "true");
  expect(stdout).toMatch(
    /ip link add veth\w+ gso_max_size 196608 gro_max_size 196608 .* peer name eth0 .*gso_max_size/,
  );
  expect(stdout).toMatch(/ip link set vt-\w+ gso_max_size 196608/);
  const create = (...words: string[]) => h.vitrine("network", "create", ...words, "no").stderr;
  expect(create("-o", "gso_max_size=1000000")).toContain("no number from 2048 to 524280");
  expect(create("-d", "macvlan", "-o", "parent=ext", "-o", "gso_max_size=65536")).toContain("not known of macvlan");
});
