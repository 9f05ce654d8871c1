/**
 * `network connect` and `disconnect` of a container that runs: every other instruction fails once, and at the rest the stage is killed once. After
 * that, and one more command, the container is on the network as a whole or not at all.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { readRunRecord } from "../../src/container/journal.ts";
import { listRuns } from "../../src/container/runs.ts";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { pidOf } from "../../src/engine/live.ts";
import { connectContainer, explainConnect } from "../../src/engine/network/connect.ts";
import { disconnectContainer, explainDisconnect } from "../../src/engine/network/disconnect.ts";
import { currentArch } from "../../src/linux/arch.ts";
import { beginVisit } from "../../src/plan/network/visit.ts";
import type { Op } from "../../src/plan/plan.ts";
import { encode, type Layout } from "../../src/stage/encode.ts";
import { difference, snapshot } from "../leaks.ts";
import { BINARY, busybox, directory, ROOT, STATE, until, vitrine } from "../vitrine.ts";

setDefaultTimeout(600_000);

const PATHS = { root: ROOT, state: STATE };
const PARENT = "vt-flt-parent";
const control = `${directory("connect-faults")}/control`;
let engine: Engine;
let faulty: Engine;

const must = (...args: string[]) => expect(vitrine(args)).toMatchObject({ status: 0, stderr: "" });
const ip = (...args: string[]) => expect(spawnSync("ip", args, { encoding: "utf8" }).stderr).toBe("");

beforeAll(async () => {
  engine = { ...(await openEngine(PATHS)), program: BINARY };
  const wrapper = `${directory("connect-faults")}/stage`;
  writeFileSync(
    wrapper,
    `#!/bin/sh\nif [ -s ${control} ] && [ "$2" = 0 ]; then ${process.execPath} ${import.meta.dir}/tamper.ts ${control} "$1" || exit 99; fi\nexec ${engine.stage.path} "$@"\n`,
  );
  chmodSync(wrapper, 0o755);
  faulty = { ...engine, stage: { ...engine.stage, path: wrapper } };
  ip("link", "add", PARENT, "type", "veth", "peer", "name", "vt-flt-other");
  ip("link", "set", PARENT, "up");
  for (const [name, n] of [
    ["one", 1],
    ["two", 2],
  ] as const)
    must("network", "create", "--disable-dns", "--subnet", `10.94.${n}.0/24`, "--subnet", `fd00:94:${n}::/64`, name);
  must(
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    `parent=${PARENT}`,
    "--ipv6=false",
    "--subnet",
    "10.94.3.0/24",
    "street",
  );
  must(
    "run",
    "-d",
    "--name",
    "subject",
    "--network",
    "one",
    "-p",
    "18080:80",
    "--rootfs",
    busybox(),
    "sleep",
    "100000",
  );
  must("network", "connect", "two", "subject");
});
afterAll(() => {
  rmSync(control, { force: true });
  vitrine(["rm", "-f", "subject"]);
  vitrine(["network", "rm", "one", "two", "street"]);
  ip("link", "del", PARENT);
});

const SUBNETS: Record<string, string> = { one: "10.94.1.", two: "10.94.2.", street: "10.94.3." };

const leases = (network: string) => {
  const place = `${STATE}/networks/${network}/leases`;
  return existsSync(place) ? readdirSync(place) : [];
};

/** All that tells of the container on a network: true for each that says so. */
function traces(network: string): Record<string, boolean> {
  const [run] = listRuns(PATHS).filter(({ directory: place }) => readRunRecord(place) !== undefined);
  const pid = run && pidOf(run);
  if (!run || pid === undefined) throw new Error("the container has ended");
  const subnet = SUBNETS[network] ?? "";
  const inside = spawnSync("nsenter", ["-t", `${pid}`, "-n", "ip", "-o", "addr"], { encoding: "utf8" }).stdout;
  const noted = `${ROOT}/containers/${run.id}/networks.json`;
  return {
    address: inside.includes(` ${subnet}`),
    lease: leases(network).length === 1,
    hosts: readFileSync(`${ROOT}/containers/${run.id}/hosts`, "utf8").includes(subnet),
    record: JSON.parse(readFileSync(noted, "utf8")).networks.includes(network),
    told: vitrine(["ps", "--format", "{{.Networks}}"]).stdout.trim().split(",").includes(network),
  };
}

/** Where the published port leads to, and the default route. */
function ways(): string[] {
  const { stdout } = spawnSync("nft", ["list", "ruleset"], { encoding: "utf8" });
  const [run] = listRuns(PATHS).filter(({ directory: place }) => readRunRecord(place) !== undefined);
  const routes = spawnSync("nsenter", ["-t", `${run && pidOf(run)}`, "-n", "ip", "route"], { encoding: "utf8" }).stdout;
  return [/18080 : (10\.94\.\d\.)/.exec(stdout)?.[1] ?? "", /default via (10\.94\.\d\.)/.exec(routes)?.[1] ?? ""];
}

/** "on" or "off"; anything else is half made. */
function state(network: string, what: string): "on" | "off" {
  const found = traces(network);
  const { told } = found;
  expect({ what, found }).toEqual({
    what,
    found: Object.fromEntries(Object.keys(found).map((key) => [key, told === true])),
  });
  return told ? "on" : "off";
}

/** Names of the container's. */
function devices(): string[] {
  const [run] = listRuns(PATHS).filter(({ directory: place }) => readRunRecord(place) !== undefined);
  const { stdout } = spawnSync("nsenter", ["-t", `${run && pidOf(run)}`, "-n", "ip", "-o", "link"], {
    encoding: "utf8",
  });
  return [...stdout.matchAll(/^\d+: ([^@:]+)/gm)].map(([, name]) => name ?? "").sort();
}

function instructions(ops: readonly Op[]): Layout["instructions"] {
  const whole = [...beginVisit("", 0), ...ops];
  const { layout } = encode({ run: [{ phase: "Image", ops: whole }], failed: [], recover: [] }, currentArch());
  return layout.instructions.slice(0, layout.runCount);
}

const asked = (name: string) => ({ name, aliases: [] });
const connect = (network: string, by = engine) => connectContainer(by, asked(network), "subject");
const disconnect = (network: string, by = engine) => disconnectContainer(by, network, "subject", false);

/** @param before makes it so that `work` can be done */
async function each(
  how: "fail" | "kill",
  network: string,
  plan: () => Promise<Op[]>,
  before: () => Promise<void>,
  work: (by: Engine) => Promise<void>,
  legal: (now: "on" | "off", failed: boolean, told: string) => void,
): Promise<void> {
  await before();
  const all = instructions(await plan());
  const clean = snapshot();
  const own = devices();
  let [failed, tried] = [0, 0];
  let waiting: Op | undefined;
  for (const [i, placed] of all.entries()) {
    const call = placed.instruction.do === "sys" ? placed.instruction.call : undefined;
    // Behind its pauses an op tries again what has gone well at once.
    if (call === "ppoll") waiting = placed.op;
    if (waiting === placed.op && call !== "close") continue;
    if (i % 2 !== (how === "fail" ? 0 : 1)) continue;
    // Instead of the instruction its process kills the stage, and goes on until that is dead: it would do so on the host.
    if (how === "kill" && placed.instruction.do === "sys" && placed.instruction.call === "setns") continue;
    const told = `${how} ${i} of ${placed.op.call} ${placed.op.object}`;
    tried++;
    writeFileSync(control, `${how} ${i}`);
    const error = await work(faulty).then(
      () => undefined,
      (e) => e as Error,
    );
    rmSync(control);
    if (error) failed++;
    expect({ told, stderr: vitrine(["ps", "-q"]).stderr }).toEqual({ told, stderr: "" });
    legal(state(network, told), error !== undefined, told);
    await before();
    expect({ told, devices: devices() }).toEqual({ told, devices: own });
    let left: string[] = [];
    const same = /descriptor|link: veth|nft rule/; // devices have other names each time
    await until(() => {
      left = difference(clean, snapshot()).filter((line) => !same.test(line));
      return left.every((line) => line.includes("/leases/"));
    }, "nothing to be left").catch(() => expect({ told, left }).toEqual({ told, left: [] }));
  }
  expect(failed).toBeGreaterThan(tried / 2);
}

const isOn = (network: string) => traces(network).told === true;

for (const network of ["two", "street"])
  test.each(["fail", "kill"] as const)(`connecting to ${network}: %s at every other instruction`, (how) =>
    each(
      how,
      network,
      () => explainConnect(engine, asked(network), "subject"),
      async () => {
        if (isOn(network)) await disconnect(network);
      },
      (by) => connect(network, by),
      (now, failed, told) => expect({ told, now }).toEqual({ told, now: failed ? "off" : "on" }),
    ),
  );

test.each(["fail", "kill"] as const)(
  "disconnecting from the network that ports go through: %s at every other instruction",
  (how) =>
    each(
      how,
      "one",
      () => explainDisconnect(engine, "one", "subject"),
      async () => {
        if (!isOn("two")) await connect("two");
        if (ways()[0] === SUBNETS.one) return;
        if (!isOn("one")) await connect("one");
        await disconnect("two");
        await connect("two");
        expect(ways()).toEqual([SUBNETS.one ?? "", SUBNETS.one ?? ""]);
      },
      (by) => disconnect("one", by),
      (now, _, told) => {
        const way = SUBNETS[now === "on" ? "one" : "two"] ?? "";
        expect({ told, ways: ways() }).toEqual({ told, ways: [way, way] });
      },
    ),
);
