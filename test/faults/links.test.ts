/** The same for devices that a container has besides networks: a failure, or a kill, at any of their instructions leaves none, and the host has its own again. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { RunOptions } from "../../src/spec/options.ts";
import { dnsmasqAt } from "../dhcpserver.ts";
import { difference, snapshot } from "../leaks.ts";
import { STATE, vitrine } from "../vitrine.ts";
import { failing, hanging, killWhen, launch, SILENT_STATUS, type Subject, stateOf, subject } from "./faulty.ts";

setDefaultTimeout(600_000);

const ip = (...words: string[]) => spawnSync("ip", words, { encoding: "utf8" });
const PARENT = "vtfault0";
const OWN = "vtfault1";
const PEERS = `vt-faults-${process.pid}`;
beforeAll(() => {
  expect(ip("netns", "add", PEERS).stderr).toBe("");
  for (const name of [PARENT, OWN]) {
    expect(ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", PEERS).stderr).toBe("");
    ip("link", "set", name, "up");
    ip("-n", PEERS, "link", "set", name, "up");
  }
  ip("-n", PEERS, "addr", "add", "192.0.2.1/24", "dev", PARENT);
});
afterAll(() => expect(ip("netns", "del", PEERS).stderr).toBe(""));

const ABOUT_DEVICES = /RTM_|network namespace|\/link-/;
const ABOUT_DHCP = /dhcp|DHCP|lease|keeper/;

const DEVICES: Partial<RunOptions> = {
  network: "macvlan",
  env: [`ROOM=${"x".repeat(400)}`], // for what is put in where it hangs
  networks: [`macvlan:${PARENT}:ip=192.0.2.7/24`, "veth:host_interface=vtfault2", `interface:${OWN}:interface=wan0`],
};

/** Calls; what is expected of their results fails with them. */
function places({ layout }: Subject, what: RegExp): number[] {
  const about = ({ op, instruction }: Subject["layout"]["instructions"][number]) =>
    (instruction.do === "sys" || instruction.do === "clone") && what.test(`${op.object} ${op.where}`);
  return layout.instructions.slice(0, layout.runCount).flatMap((one, at) => (about(one) ? [at] : []));
}

function clients(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(`${STATE}/runs/`);
    } catch {
      return false;
    }
  });
}

async function expectNothingLeft(before: ReturnType<typeof snapshot>, at: number): Promise<void> {
  const next = vitrine(["ps", "-a", "-q"]);
  expect({ at, status: next.status, out: next.stdout + next.stderr }).toEqual({ at, status: 0, out: "" });
  const left = () => [...difference(before, snapshot()), ...clients()];
  for (const end = performance.now() + 5000; left().length > 0 && performance.now() < end; ) await Bun.sleep(10);
  expect({ at, left: left() }).toEqual({ at, left: [] });
}

async function failEach(options: Partial<RunOptions>, what: RegExp): Promise<void> {
  const run = await subject(options);
  const before = snapshot();
  let failed = 0;
  for (const at of places(run, what)) {
    const { ended, plan } = await launch(run, failing(at));
    const { status, stderr } = await ended;
    expect({ at, silent: status === SILENT_STATUS }).toEqual({ at, silent: false });
    if (stateOf(plan, at) !== undefined || status !== 0) {
      failed++;
      expect({ at, stderr, fine: status === 0 || /step \d+ of \d+/.test(stderr) }).toEqual({ at, stderr, fine: true });
    }
    await expectNothingLeft(before, at);
  }
  expect(failed).toBeGreaterThan(places(run, what).length / 3);
}

async function killAtEach(options: Partial<RunOptions>, what: RegExp): Promise<void> {
  const run = await subject(options);
  const before = snapshot();
  let killed = 0;
  for (const at of places(run, what)) {
    const running = await launch(run, hanging(at));
    if (await killWhen(running, () => stateOf(running.plan, at) === 1, `instruction ${at} to begin`)) killed++;
    await running.ended;
    await expectNothingLeft(before, at);
  }
  expect(killed).toBeGreaterThan(places(run, what).length / 3);
}

test("each instruction about devices fails once", () => failEach(DEVICES, ABOUT_DEVICES));
test("everything is killed at each of them once", () => killAtEach(DEVICES, ABOUT_DEVICES));

test("the same with an address by DHCP", async () => {
  const server = await dnsmasqAt(PEERS, PARENT, "192.0.2.100,192.0.2.250");
  if (!server) return; // dnsmasq-base is not installed
  const options: Partial<RunOptions> = { network: "macvlan", networks: [`macvlan:${PARENT}:ip=dhcp`] };
  try {
    await failEach(options, ABOUT_DHCP);
    await killAtEach(options, ABOUT_DHCP);
  } finally {
    await server.close();
  }
});
