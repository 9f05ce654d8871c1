import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { processSuffix } from "../container/identity.ts";
import { leasesDirectory, networkDirectory, networksDirectory, type Paths } from "../container/paths.ts";
import { startTime } from "../container/process.ts";
import type { NetworkAsked } from "../spec/network.ts";
import { overlap, parseCidr } from "../spec/subnet.ts";
import { createNetwork, makeDefaultNetwork } from "./create.ts";
import { closeLeases, listEndpoints, liveEndpoints, openLeases } from "./endpoints.ts";
import { dropHidden, findNetwork, hideNetwork, listHidden, listNetworks, readNetwork, showNetwork } from "./store.ts";
import { inTurn } from "./turn.ts";

let paths: Paths;
let place: string;

beforeEach(() => {
  place = mkdtempSync(`${tmpdir()}/networks-`);
  paths = { root: `${place}/root`, state: `${place}/state` };
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const asked = (name: string, more: Partial<NetworkAsked> = {}): NetworkAsked => ({
  name,
  subnets: [],
  gateways: [],
  ranges: [],
  ipv6: false,
  internal: false,
  dns: true,
  labels: [],
  options: [],
  ...more,
});

const nothing = async () => undefined;
const create = (what: NetworkAsked) => createNetwork(paths, what, nothing);

test("a network is made, found, and gone", async () => {
  const made = await create(asked("one", { labels: ["a=b", "c"] }));
  expect(made.id).toMatch(/^[0-9a-f]{64}$/);
  expect(made.device).toBe(`vt-${made.id.slice(0, 12)}`);
  expect(made.labels).toEqual({ a: "b", c: "" });
  expect(readNetwork(paths, "one")).toEqual(made);
  expect(findNetwork(paths, made.id.slice(0, 12))).toEqual(made);
  expect(listNetworks(paths)).toEqual([made]);
  expect(() => findNetwork(paths, "two")).toThrow('no network "two"');
  expect(() => findNetwork(paths, "../one")).toThrow("no network");
  hideNetwork(paths, made);
  expect(listNetworks(paths)).toEqual([]);
  expect(listHidden(paths)).toEqual([made]);
  showNetwork(paths, made);
  expect(listNetworks(paths)).toEqual([made]);
  hideNetwork(paths, made);
  dropHidden(paths, made);
  dropHidden(paths, made);
  expect(listNetworks(paths)).toEqual([]);
  expect(readdirSync(networksDirectory(paths)).filter((name) => !name.startsWith(".turn"))).toEqual([]);
});

test("each network has a subnet of its own, also if all are made at once", async () => {
  const made = await Promise.all(
    Array.from({ length: 8 }, (_, i) => create(asked(`n${i}`, { ipv6: i % 2 === 0 ? false : undefined }))),
  );
  const subnets = made.map(({ v4 }) => parseCidr(v4.subnet, ""));
  for (const [i, a] of subnets.entries()) for (const b of subnets.slice(i + 1)) expect(overlap(a, b)).toBe(false);
});

test("what is taken is named", async () => {
  await create(asked("one", { subnets: ["172.30.7.0/24"], device: "mybr-test" }));
  await expect(create(asked("one"))).rejects.toThrow("network one is there already");
  await expect(create(asked("two", { subnets: ["172.30.0.0/16"] }))).rejects.toThrow(
    "--subnet 172.30.0.0/16: overlaps network one (172.30.7.0/24)",
  );
  await expect(create(asked("two", { device: "mybr-test" }))).rejects.toThrow("the bridge of network one");
  await expect(create(asked("two", { device: "lo0-no", options: ["mtu=1"] }))).rejects.toThrow("68 to 65535");
  await expect(create(asked("two", { driver: "macvlan", options: ["parent=no-such.7"] }))).rejects.toThrow(
    "parent=no-such.7: this host has no such network device",
  );
  expect(listNetworks(paths).map(({ name }) => name)).toEqual(["one"]);
});

test("the default network is made once", async () => {
  const first = await makeDefaultNetwork(paths, nothing);
  expect(first.name).toBe("bridge");
  expect(first.names).toBe(false);
  expect(first.device).toMatch(/^vt-/); // not the usual places
  expect(await makeDefaultNetwork(paths, nothing)).toEqual(first);
});

test("a record that is not whole is told of", async () => {
  await create(asked("one"));
  writeFileSync(`${networkDirectory(paths, "one")}/network.json`, "{");
  expect(() => listNetworks(paths)).toThrow("network one: its record cannot be read");
});

test("a turn of a process that is gone is over", async () => {
  const directory = networksDirectory(paths);
  mkdirSync(`${directory}/.turn`, { recursive: true });
  symlinkSync("4194305.1", `${directory}/.turn/7`);
  expect(await inTurn(directory, "at it", () => readdirSync(`${directory}/.turn`).sort())).toEqual(["7", "8"]);
  expect(readdirSync(`${directory}/.turn`)).toEqual(["9"]);
});

test("one at a time", async () => {
  const directory = networksDirectory(paths);
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${place}/count`, "0");
  const script = `
    import { inTurn } from "${import.meta.dir}/turn.ts";
    import { readFileSync, writeFileSync } from "node:fs";
    for (let i = 0; i < 20; i++) await inTurn("${directory}", "at it", () => {
      const count = Number(readFileSync("${place}/count", "utf8"));
      Bun.sleepSync(0.2);
      writeFileSync("${place}/count", String(count + 1));
    });`;
  writeFileSync(`${place}/turns.ts`, script);
  const all = Array.from({ length: 8 }, () => Bun.spawn([process.execPath, `${place}/turns.ts`]));
  expect(await Promise.all(all.map(({ exited }) => exited))).toEqual(all.map(() => 0));
  expect(await Bun.file(`${place}/count`).text()).toBe(String(all.length * 20));
});

test("who is on a network", () => {
  const directory = leasesDirectory(paths, "one");
  mkdirSync(directory, { recursive: true });
  const run = `${"a".repeat(64)}.0000000007.00000000000000000008`;
  symlinkSync(JSON.stringify({ run, names: ["web"], mac: "02:42:0a:5c:00:02" }), `${directory}/10.92.0.2`);
  symlinkSync("{", `${directory}/10.92.0.3`);
  writeFileSync(`${directory}/other`, "");
  expect(listEndpoints(paths, "one")).toEqual([
    { address: "10.92.0.2", run, names: ["web"], mac: "02:42:0a:5c:00:02" },
  ]);
  expect(listEndpoints(paths, "two")).toEqual([]);
});

test("a network that is removed takes nobody in", async () => {
  const one = await create(asked("one"));
  const leases = openLeases(paths, one);
  const own = `${"a".repeat(64)}.${processSuffix(process.pid, startTime(process.pid) ?? "")}`;
  const gone = `${"b".repeat(64)}.0004194305.00000000000000000001`;
  symlinkSync(JSON.stringify({ run: own, names: ["web"] }), `${leases}/10.92.0.2`);
  symlinkSync(JSON.stringify({ run: gone, names: ["ended"] }), `${leases}/10.92.0.3`);
  expect(liveEndpoints(paths, "one").map(({ names }) => names)).toEqual([["web"]]);
  expect(closeLeases(paths, "one")).toBe(false);
  rmSync(`${leases}/10.92.0.2`);
  hideNetwork(paths, one);
  expect(closeLeases(paths, "one")).toBe(true);
  expect(existsSync(leases)).toBe(false);
  expect(() => openLeases(paths, one)).toThrow("network one was removed a moment ago");
});
