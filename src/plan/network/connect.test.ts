/** Plans of connecting and disconnecting, and what has to hold of them. */
import { expect, test } from "bun:test";
import { compareGolden } from "../../../test/golden.ts";
import { explainText } from "../../explain/text.ts";
import { currentArch } from "../../linux/arch.ts";
import type { PublishedPort } from "../../spec/ports.ts";
import { encode } from "../../stage/encode.ts";
import { type Connecting, planConnect, type VisitPlan } from "./connect.ts";
import { type Disconnecting, planDisconnect } from "./disconnect.ts";
import type { NetworkEndpoint } from "./endpoint.ts";

const ID = "0123456789abcdef".repeat(4);
const RUN = `${ID}.0000004242.00000000000000987654`;
const STATE = "/run/vitrine";

const on = (network: string, n: number, name: string): NetworkEndpoint => ({
  network,
  bridge: `vt-${network}`,
  port: `veth0badcaf${n}`,
  name,
  v4: { address: `10.92.${n}.7`, subnet: `10.92.${n}.0/24`, gateway: `10.92.${n}.1` },
  v6: { address: `fd12:3456:789a:${n}::7`, subnet: `fd12:3456:789a:${n}::/64`, gateway: `fd12:3456:789a:${n}::1` },
  lease: `${STATE}/networks/${network}/leases/10.92.${n}.7`,
  id: ID,
});

const TARGET = { pid: 4243, inode: 77, namespace: 4026531999 };
const PROGRAM = { program: "/usr/bin/vitrine", arguments: ["--root", "/r"], env: [], table: "vitrine" };
const PORTS: PublishedPort[] = [
  { protocol: "tcp", host: "127.0.0.1", hostPort: 8080, port: 80 },
  { protocol: "udp", host: "::", hostPort: 53, port: 53 },
];
const FILES = [{ path: "/c/hosts", before: "10.92.1.7\tweb\n", after: "10.92.1.7\tweb\n10.92.2.7\tweb\n" }];
const RECORD = { file: "/c/networks.json", next: "/c/networks.json.9", was: "/c/networks.json.9.was" };

const CONNECTING: Connecting = {
  target: TARGET,
  endpoint: on("back", 2, "eth1"),
  lease: `{"run":"${RUN}","names":["web"],"mac":"02:42:0a:5c:02:07"}`,
  slot: { file: `${STATE}/runs/${RUN}/connected/0`, text: `${STATE}/networks/back/leases/10.92.2.7` },
  program: PROGRAM,
  ports: PORTS,
  files: FILES,
  record: RECORD,
  run: RUN,
  door: `${STATE}/runs/${RUN}/connected`,
};
const DISCONNECTING: Disconnecting = {
  target: TARGET,
  run: RUN,
  door: `${STATE}/runs/${RUN}/connected`,
  endpoint: on("front", 1, "eth0"),
  slot: `${STATE}/runs/${RUN}/connected/0`,
  ways: [
    { name: "eth1", gateway: "10.92.2.1" },
    { name: "eth1", gateway: "fd12:3456:789a:2::1" },
  ],
  ports: { program: PROGRAM, ports: PORTS, to: on("back", 2, "eth1"), moved: PORTS },
  files: FILES,
  record: RECORD,
};
const macvlan = (endpoint: NetworkEndpoint): NetworkEndpoint => ({ ...endpoint, bridge: "ext", mode: "private" });

const CASES: readonly (readonly [name: string, plan: () => VisitPlan])[] = [
  ["connect", () => planConnect(CONNECTING)],
  ["connect-macvlan", () => planConnect({ ...CONNECTING, ports: [], endpoint: macvlan(CONNECTING.endpoint) })],
  ["disconnect", () => planDisconnect(DISCONNECTING)],
  ["disconnect-macvlan", () => planDisconnect({ ...DISCONNECTING, endpoint: macvlan(DISCONNECTING.endpoint) })],
];

test.each(CASES)("%s is told as it was", (name, plan) => {
  const { ops, failed } = plan();
  const whole = { run: [{ phase: "Namespaces" as const, ops }], failed, recover: [] };
  compareGolden(`${name}.txt`, explainText(whole, []));
  expect(encode(whole, currentArch()).layout.runCount).toBeGreaterThan(30);
});

test("whatever connecting makes has an undo", () => {
  const makes = /^(symlinkat|renameat2|write)$|RTM_NEWLINK|NFT_MSG_NEWSETELEM/;
  const lacking = planConnect(CONNECTING).ops.filter(
    (op) => (makes.test(op.call) || makes.test(op.object)) && !op.undo,
  );
  expect(lacking).toEqual([]);
});

test("connecting notes its lease when the firewall leads to it: whoever ends the container sees either", () => {
  const { ops } = planConnect(CONNECTING);
  const at = (object: string) => ops.findIndex((op) => op.object.startsWith(object));
  expect(at(CONNECTING.slot.file)).toBeGreaterThan(at("NFT_MSG_NEWSETELEM"));
  expect(ops.at(-1)?.object).toBe(CONNECTING.door);
});

test("disconnecting begins with the device; from there on it is finished, whoever does it; the address is last", () => {
  const { ops } = planDisconnect(DISCONNECTING);
  const [first, ...others] = ops.filter((op) => op.undo);
  expect(others).toEqual([]);
  expect(first?.object).toBe("RTM_DELLINK veth0badcaf1");
  expect(ops.slice(0, ops.indexOf(first as (typeof ops)[number])).map(({ call }) => call)).toEqual([
    "openat",
    "pidfd_open",
    "openat",
  ]);
  expect(ops.at(-1)?.object).toBe(DISCONNECTING.endpoint.lease);
});
