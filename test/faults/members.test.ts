/**
 * `network connect` and `disconnect` while something else happens to the container, or to the command: it ends, it is started, the command alone
 * is killed. Who is to wait is stopped at an instruction, or by a turn that is not its own.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { newIdentity } from "../../src/container/identity.ts";
import { readRunRecord } from "../../src/container/journal.ts";
import { claimRun, listRuns, type Run } from "../../src/container/runs.ts";
import { stamp } from "../../src/container/template.ts";
import { type Engine, openEngine } from "../../src/engine/context.ts";
import { pidOf } from "../../src/engine/live.ts";
import { explainConnect } from "../../src/engine/network/connect.ts";
import { explainDisconnect } from "../../src/engine/network/disconnect.ts";
import { withAddresses } from "../../src/engine/network/placing.ts";
import { explainUp } from "../../src/engine/network/up.ts";
import { currentArch } from "../../src/linux/arch.ts";
import { choosing } from "../../src/network/leases.ts";
import { findNetwork } from "../../src/network/store.ts";
import { beginVisit } from "../../src/plan/network/visit.ts";
import type { Op } from "../../src/plan/plan.ts";
import { encode } from "../../src/stage/encode.ts";
import { BINARY, busybox, directory, ROOT, STATE, until, vitrine, vitrineAsync } from "../vitrine.ts";
import { hanging, launch, launchPlan, replaced, stateOf, subject } from "./faulty.ts";

setDefaultTimeout(60_000);

const PATHS = { root: ROOT, state: STATE };
const SIGSTOP = 19;
const KILL_CALL = process.arch === "x64" ? 62 : 129;
const place = directory("members");
const control = `${place}/control`;
const wrapper = `${place}/stage`;
let engine: Engine;

const must = (...args: string[]) => expect(vitrine(args)).toMatchObject({ status: 0, stderr: "" });

const SUBNETS = { one: "10.94.11.", two: "10.94.12." };
type Network = keyof typeof SUBNETS;

beforeAll(async () => {
  engine = { ...(await openEngine(PATHS)), program: BINARY };
  const tamper = `${process.execPath} ${import.meta.dir}/tamper.ts ${control} "$1"`;
  const once = `if [ "$2" = 0 ] && [ -s ${control} ]; then ${tamper} || exit 99; rm ${control}; fi`;
  writeFileSync(wrapper, `#!/bin/sh\n${once}\nexec ${engine.stage.path} "$@"\n`);
  chmodSync(wrapper, 0o755);
});
beforeEach(() => {
  for (const [i, name] of ["one", "two"].entries())
    must("network", "create", "--subnet", `10.94.1${i + 1}.0/24`, "--subnet", `fd00:94:1${i + 1}::/64`, name);
  must("network", "up", "one", "two");
});
const commands: ChildProcess[] = [];
afterEach(() => {
  for (const file of [control, `${control}.stage`]) rmSync(file, { force: true });
  for (const child of commands.splice(0)) child.kill("SIGKILL");
  const left = vitrine(["ps", "-aq"]).stdout.split("\n").filter(Boolean);
  if (left.length > 0) vitrine(["rm", "-f", ...left]);
  must("network", "rm", "one", "two");
});

/** A container that stays, on the first network. */
function server(...flags: string[]): void {
  const network = flags.includes("--network") ? [] : ["--network", "one"];
  must("run", "-d", "--name", "web", ...network, ...flags, "--rootfs", busybox(), "sleep", "100000");
}

const isStopped = (pid: number) => {
  try {
    return /^State:\tT/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
};

const stopped = (pid: number, what: string) => until(() => isStopped(pid), `${what} to be stopped`);

interface Command {
  readonly child: ChildProcess;
  /** Its stage, which is stopped. */
  readonly stage: number;
  readonly ended: Promise<{ readonly status: number | null; readonly stderr: string }>;
}

/** A command whose stage is stopped when it has done all before the op whose object begins so. */
async function stoppedBefore(what: "connect" | "disconnect" | "up", network: Network, name: string, object: string) {
  const ops =
    what === "up"
      ? explainUp(engine, findNetwork(PATHS, network))
      : [
          ...beginVisit("", 0),
          ...(await (what === "connect"
            ? explainConnect(engine, { name: network, aliases: [] }, name)
            : explainDisconnect(engine, network, name))),
        ];
  writeFileSync(control, `stop ${lastCloseBefore(ops, object)}`);
  const child = spawn(process.execPath, [`${import.meta.dir}/member.ts`, what, network, name, wrapper, BINARY], {
    env: { PATH: process.env.PATH ?? "", HOME: "/root", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE },
    stdio: ["ignore", "ignore", "pipe"],
  });
  commands.push(child);
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<Awaited<Command["ended"]>>((resolve) =>
    child.on("close", (status) => resolve({ status, stderr })),
  );
  let stage = 0;
  await until(() => {
    stage = existsSync(`${control}.stage`) ? Number(readFileSync(`${control}.stage`, "utf8")) : 0;
    return stage > 0 || child.exitCode !== null;
  }, "a stage");
  expect(stderr).toBe("");
  await stopped(stage, "the stage");
  return { child, stage, ended } satisfies Command;
}

/** Nothing is lost by it. */
function lastCloseBefore(ops: readonly Op[], object: string): number {
  const { layout } = encode({ run: [{ phase: "Image", ops }], failed: [], recover: [] }, currentArch());
  const all = layout.instructions;
  const end = all.findIndex(({ op }) => op.object.startsWith(object));
  expect({ object, end }).not.toEqual({ object, end: -1 });
  const at = all.findLastIndex(
    ({ instruction }, i) => i < end && instruction.do === "sys" && instruction.call === "close",
  );
  expect(at).toBeGreaterThan(0);
  return at;
}

const runOf = (id?: string): Run | undefined =>
  listRuns(PATHS).find((run) => {
    try {
      return (id === undefined || run.id === id) && readRunRecord(run.directory) !== undefined;
    } catch {
      return false;
    }
  });

const shell = (command: string) => spawnSync("sh", ["-c", command], { encoding: "utf8" }).stdout;
const rules = () => shell("nft list ruleset | grep -E '[0-9] \\. (tcp|udp) \\.'");
const veths = () => shell("ip -br link").match(/^veth\S+/gm) ?? [];
const leases = (network: string) => {
  const where = `${STATE}/networks/${network}/leases`;
  return existsSync(where) ? readdirSync(where) : [];
};
const networksOf = (name: string) =>
  vitrine(["ps", "-a", "--filter", `name=^${name}$`, "--format", "{{.Networks}}"]).stdout.trim();
const noted = (id: string): string[] =>
  JSON.parse(readFileSync(`${ROOT}/containers/${id}/networks.json`, "utf8")).networks;
const idOf = (name: string) => readlinkSync(`${ROOT}/names/${name}`);

/** Of what a container had nothing is left, on the host and in what is told of it. */
async function nothingLeft(): Promise<void> {
  expect(rules()).not.toMatch(/18080|10\.94\.1[12]\.[0-9]+ \. /);
  await until(() => veths().length === 0, "devices go");
  expect([...leases("one"), ...leases("two")]).toEqual([]);
  expect(readdirSync(`${STATE}/runs`)).toEqual([]);
}

const asked = (network: Network, name: string) =>
  vitrine(["run", "--rm", "--network", network, "--rootfs", busybox(), "nslookup", "-type=a", name]).stdout;

/** All that tells of a container that runs on a network says the same. */
function isOn(name: string, network: Network): boolean {
  const run = runOf(idOf(name));
  const pid = run && pidOf(run);
  expect(pid).toBeDefined();
  const subnet = SUBNETS[network];
  const found = {
    device: shell(`nsenter -t ${pid} -n ip -o addr`).includes(` ${subnet}`),
    lease: leases(network).length === 1,
    hosts: vitrine(["exec", name, "cat", "/etc/hosts"]).stdout.includes(subnet),
    told: networksOf(name).split(",").includes(network),
    named: asked(network, name).includes(`Address: ${subnet}`),
  };
  expect(found).toEqual({
    device: found.told,
    lease: found.told,
    hosts: found.told,
    told: found.told,
    named: found.told,
  });
  return found.told;
}

test("its end, while a disconnect is about to lead its ports elsewhere: they lead nowhere", async () => {
  server("-p", "18080:80");
  must("network", "connect", "two", "web");
  const command = await stoppedBefore("disconnect", "one", "web", "NFT_MSG_DELSETELEM");
  must("stop", "-t", "0", "web");
  process.kill(command.stage, "SIGCONT");
  expect((await command.ended).stderr).not.toContain("at ");
  await nothingLeft();
  expect(noted(idOf("web"))).toEqual(["two"]);
});

test("its end, while its ports are about to be published again after another's flush of all rules: they lead nowhere", async () => {
  server("-p", "18080:80");
  shell("nft flush ruleset");
  const command = await stoppedBefore("up", "one", "web", "NFT_MSG_NEWSETELEM");
  must("stop", "-t", "0", "web");
  process.kill(command.stage, "SIGCONT");
  expect(await command.ended).toEqual({ status: 0, stderr: "" });
  expect(shell("nft list tables")).toContain("vitrine");
  await nothingLeft();
});

describe("it leaves its only network, while its ports are published again: they lead nowhere", () => {
  const left = () => {
    expect(rules()).not.toContain("18080");
    expect(isOn("web", "one")).toBe(false);
  };

  test("before that is done", async () => {
    server("-p", "18080:80");
    const command = await stoppedBefore("up", "one", "web", "NFT_MSG_NEWSETELEM");
    must("network", "disconnect", "one", "web");
    process.kill(command.stage, "SIGCONT");
    expect(await command.ended).toEqual({ status: 0, stderr: "" });
    left();
  });

  test("before its address is let go of", async () => {
    server("-p", "18080:80");
    const [address = ""] = leases("one");
    const lease = `${STATE}/networks/one/leases/${address}`;
    const command = await stoppedBefore("disconnect", "one", "web", lease);
    must("network", "up", "one");
    process.kill(command.stage, "SIGCONT");
    expect(await command.ended).toEqual({ status: 0, stderr: "" });
    left();
  });
});

test("it is killed while it starts, when another has told the firewall of its ports already: they lead nowhere", async () => {
  const run = await subject({ network: "one", networks: ["one"], publish: ["18080:80"], command: ["sleep", "1000"] });
  const at = run.layout.instructions.findIndex(({ op }) => op.object.startsWith("NFT_MSG_NEWSETELEM"));
  const running = await launch(run, hanging(at, 30_000));
  await until(() => stateOf(running.plan, at) === 1, "its turn to tell the firewall");
  must("network", "up", "one");
  expect(rules()).toMatch(/18080 : 10\.94\.11\.\d+ \. 80/);
  expect(running.process.kill("SIGKILL")).toBe(true);
  await running.ended;
  expect(vitrine(["ps", "-q"]).stderr).toBe("");
  await nothingLeft();
});

test("its end, and another's start with its port, while a disconnect is about to take that away: it is the other's", async () => {
  server("-p", "18080:80");
  const command = await stoppedBefore("disconnect", "one", "web", "NFT_MSG_DELSETELEM");
  must("stop", "-t", "0", "web");
  must("run", "-d", "--name", "other", "--network", "one", "-p", "18080:80", "--rootfs", busybox(), "sleep", "1000");
  process.kill(command.stage, "SIGCONT");
  await command.ended;
  expect(rules()).toMatch(/18080 : 10\.94\.11\.\d+ \. 80/);
  expect(isOn("other", "one")).toBe(true);
});

/** As its stage has taken its ports back, and nothing else, it is stopped. Returns the pid of that. */
async function ending(): Promise<{ readonly id: string; readonly stage: number; end(): Promise<unknown> }> {
  const run = await subject({
    network: "one",
    networks: ["one"],
    publish: ["18080:80"],
    command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"],
  });
  const at = run.layout.instructions.findIndex(
    ({ instruction, op, undoing }) =>
      undoing && op.object.startsWith("NFT_MSG_NEWSETELEM") && instruction.do === "sys" && instruction.call === "close",
  );
  expect(at).toBeGreaterThan(run.layout.runCount);
  let [stage, id] = [0, ""];
  const { ended } = await launchPlan(
    run.engine.stage.path,
    async (identity) => {
      [stage, id] = [identity.pid, identity.id];
      const claimed = claimRun(PATHS, identity);
      const placed = await withAddresses(run.engine, run.request, identity);
      return { directory: claimed, file: stamp(run.template, placed, { created: Date.now(), prepared: 0 }) };
    },
    (ops) => replaced(at, KILL_CALL, [stage, SIGSTOP])(ops),
  );
  const first = () => {
    const found = runOf(id);
    return found && pidOf(found);
  };
  await until(() => first() !== undefined, "the container to run");
  return {
    id,
    stage,
    end: async () => {
      const pid = first() ?? 0;
      await until(() => /^SigCgt:\t\S*[4-7c-f]\S{3}$/m.test(readFileSync(`/proc/${pid}/status`, "latin1")), "its trap");
      process.kill(pid, "SIGTERM");
      await stopped(stage, "the stage of the container");
      return ended;
    },
  };
}

test("its end half-way, while a connect is about to have its ports lead to it: nothing is left", async () => {
  const container = await ending();
  must("network", "disconnect", "one", container.id);
  const command = await stoppedBefore("connect", "two", container.id, "NFT_MSG_NEWSETELEM");
  const over = container.end();
  await stopped(container.stage, "the stage of the container");
  process.kill(command.stage, "SIGCONT");
  const { status, stderr } = await command.ended;
  process.kill(container.stage, "SIGCONT");
  await over;
  expect(stderr).toContain("has ended meanwhile");
  expect(status).toBe(125);
  await nothingLeft();
});

test("its end half-way, while a disconnect is about to lead its ports elsewhere: nothing is left", async () => {
  const container = await ending();
  must("network", "connect", "two", container.id);
  const command = await stoppedBefore("disconnect", "one", container.id, "NFT_MSG_DELSETELEM");
  const over = container.end();
  await stopped(container.stage, "the stage of the container");
  process.kill(command.stage, "SIGCONT");
  expect(await command.ended).toEqual({ status: 0, stderr: "" });
  process.kill(container.stage, "SIGCONT");
  await over;
  await nothingLeft();
});

test("its end half-way, while a disconnect is about to let go of an address: who has it next keeps it", async () => {
  const container = await ending();
  must("network", "connect", "two", container.id);
  const command = await stoppedBefore("disconnect", "two", container.id, `${STATE}/runs/`);
  const over = container.end();
  await stopped(container.stage, "the stage of the container");
  process.kill(command.stage, "SIGCONT");
  expect(await command.ended).toEqual({ status: 0, stderr: "" });
  must("run", "-d", "--name", "other", "--network", "two", "--rootfs", busybox(), "sleep", "1000");
  const its = leases("two");
  expect(its).toEqual(["10.94.12.2"]);
  process.kill(container.stage, "SIGCONT");
  await over;
  expect(leases("two")).toEqual(its);
  expect(isOn("other", "two")).toBe(true);
});

for (const what of ["connect", "disconnect"] as const)
  test(`${what}: of a command that is killed alone, the next one has undone or finished the work, and nobody goes on with it`, async () => {
    server("-p", "18080:80");
    if (what === "disconnect") must("network", "connect", "two", "web");
    const [network, before] = what === "connect" ? (["two", "RTM_NEWADDR"] as const) : (["one", "NFT_MSG"] as const);
    const command = await stoppedBefore(what, network, "web", before);
    command.child.kill("SIGKILL");
    await command.ended;
    expect(vitrine(["ps", "-q"]).stderr).toBe("");
    const next = isOn("web", network);
    if (existsSync(`/proc/${command.stage}`)) process.kill(command.stage, "SIGCONT");
    await until(() => !existsSync(`/proc/${command.stage}`), "the stage to end");
    expect(vitrine(["ps", "-q"]).stderr).toBe("");
    expect(isOn("web", network)).toBe(next);
    expect(isOn("web", network)).toBe(false);
    expect(rules()).toMatch(what === "connect" ? /18080 : 10\.94\.11\./ : /18080 : 10\.94\.12\./);
    must("network", "connect", network, "web");
    expect(isOn("web", network)).toBe(true);
    must("rm", "-f", "web");
    await nothingLeft();
  });

test("a command that is killed alone: until its stage has ended, nobody undoes the work", async () => {
  server();
  const command = await stoppedBefore("connect", "two", "web", "RTM_NEWADDR");
  const [held] = listRuns(PATHS).filter(({ id }) => id !== idOf("web"));
  const locks = readFileSync("/proc/locks", "latin1");
  const { stdout } = spawnSync("stat", ["-c", "%i", `${held?.directory}/plan`], { encoding: "utf8" });
  expect(new RegExp(`OFDLCK.*:${stdout.trim()} `).test(locks)).toBe(true);
  process.kill(command.stage, "SIGCONT");
  expect(await command.ended).toEqual({ status: 0, stderr: "" });
});

/** `vitrine start` of a container that waits for a turn which is not its own, when it has a run's directory; and is stopped there. */
async function startStopped(name: string, waitsFor = name): Promise<{ go(): Promise<unknown> }> {
  let start: ReturnType<typeof vitrineAsync> | undefined;
  let pid = 0;
  await choosing(PATHS, async () => {
    start = vitrineAsync(["start", name]);
    const id = idOf(waitsFor);
    const starting = () => listRuns(PATHS).find((run) => run.id === id);
    await until(() => starting() !== undefined, "a run's directory");
    pid = starting()?.pid ?? 0;
    process.kill(pid, "SIGSTOP");
    await stopped(pid, "the start");
  });
  return {
    go: async () => {
      process.kill(pid, "SIGCONT");
      expect(await start).toMatchObject({ status: 0, stderr: "" });
    },
  };
}

/** Longer than a command takes that waits for nobody. */
const A_WHILE_MS = 2000;

for (const what of ["connect", "disconnect"] as const) {
  test(`${what} during its start: the container is so when both have ended`, async () => {
    server("--network", "one:ip6=fd00:94:11::77");
    must("stop", "-t", "0", "web");
    if (what === "disconnect") must("network", "connect", "two", "web");
    const start = await startStopped("web");
    const command = vitrineAsync(["network", what, "two", "web"]);
    await Promise.race([command, Bun.sleep(A_WHILE_MS)]);
    await start.go();
    expect(await command).toMatchObject({ status: 0, stderr: "" });
    expect(isOn("web", "two")).toBe(what === "connect");
    must("restart", "-t", "0", "web");
    expect(isOn("web", "two")).toBe(what === "connect");
  });

  test(`${what} while its start has read what it is to be, and not begun: it is so when it runs`, async () => {
    must("create", "--name", "base", "--network", "one:ip6=fd00:94:11::77", "--rootfs", busybox(), "sleep", "1000");
    server("--requires", "base");
    must("stop", "-t", "0", "web", "base");
    if (what === "disconnect") must("network", "connect", "two", "web");
    const start = await startStopped("web", "base");
    must("network", what, "two", "web");
    await start.go();
    expect(networksOf("web")).toBe(what === "connect" ? "one,two" : "one");
    must("rm", "-f", "base");
    expect(leases("two")).toHaveLength(what === "connect" ? 1 : 0);
  });
}

test("a start that does not come to its end: it is told, and nothing has changed", async () => {
  server();
  must("network", "connect", "two", "web");
  must("stop", "-t", "0", "web");
  const id = idOf("web");
  const claimed = claimRun(PATHS, { ...newIdentity("web"), id });
  try {
    const { status, stderr } = await vitrineAsync(["network", "disconnect", "two", "web"]);
    expect(stderr).toContain("container web is about to start");
    expect(status).toBe(125);
    expect(noted(id)).toEqual(["one", "two"]);
  } finally {
    rmSync(claimed, { recursive: true });
  }
  must("network", "disconnect", "two", "web");
  expect(noted(id)).toEqual(["one"]);
});

test("its end, and a start that does not come to its end, while a disconnect is under way: its record is as it was", async () => {
  server();
  must("network", "connect", "two", "web");
  const id = idOf("web");
  const command = await stoppedBefore("disconnect", "two", "web", `${STATE}/runs/`);
  must("stop", "-t", "0", "web");
  const claimed = claimRun(PATHS, { ...newIdentity("web"), id });
  try {
    process.kill(command.stage, "SIGCONT");
    const { status, stderr } = await command.ended;
    expect(stderr).toContain("container web is about to start");
    expect(status).toBe(125);
    expect(noted(id)).toEqual(["one", "two"]);
  } finally {
    rmSync(claimed, { recursive: true });
  }
  await nothingLeft();
});

for (const by of ["a user", "its policy"] as const)
  test(`its end and its next start by ${by}, while a disconnect is under way: it has left, and its files are its own`, async () => {
    server("-p", "18080:80", "--restart", "always");
    must("network", "connect", "two", "web");
    const command = await stoppedBefore("disconnect", "one", "web", "NFT_MSG_DELSETELEM");
    const before = runOf(idOf("web")) as Run;
    if (by === "a user") must("restart", "-t", "0", "web");
    else process.kill(pidOf(before) ?? 0, "SIGKILL");
    await until(() => {
      const now = runOf(idOf("web"));
      return now !== undefined && now.directory !== before.directory && pidOf(now) !== undefined;
    }, "its next run");
    expect(isOn("web", "one")).toBe(true);
    process.kill(command.stage, "SIGCONT");
    expect(await command.ended).toEqual({ status: 0, stderr: "" });
    expect(isOn("web", "one")).toBe(false);
    expect(isOn("web", "two")).toBe(true);
    expect(rules()).toMatch(/18080 : 10\.94\.12\.\d+ \. 80/);
  });

test("its end and its next start, while a connect is under way: it is told, and its files are its own", async () => {
  server();
  const command = await stoppedBefore("connect", "two", "web", "RTM_NEWADDR");
  must("restart", "-t", "0", "web");
  const hosts = vitrine(["exec", "web", "cat", "/etc/hosts"]).stdout;
  process.kill(command.stage, "SIGCONT");
  const { status, stderr } = await command.ended;
  expect(stderr).toContain("has ended meanwhile");
  expect(status).toBe(125);
  expect(vitrine(["exec", "web", "cat", "/etc/hosts"]).stdout).toBe(hosts);
  expect(isOn("web", "two")).toBe(false);
  expect(isOn("web", "one")).toBe(true);
});
