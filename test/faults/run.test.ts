/** For every instruction of the plan of a run: it fails once, and the processes are killed at it once. After the next command nothing is left. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { difference, snapshot } from "../leaks.ts";
import { directory, until, vitrine } from "../vitrine.ts";
import { failing, launch, replaced, type Subject, stateOf, subject } from "./faulty.ts";

setDefaultTimeout(600_000);

/** Held by a file, for as long as this file's tests run. */
const NETWORK = `${directory("namespaces")}/net`;
writeFileSync(NETWORK, "");
beforeAll(() => expect(spawnSync("unshare", [`--net=${NETWORK}`, "true"]).status).toBe(0));
afterAll(() => expect(spawnSync("umount", [NETWORK]).status).toBe(0));

const VARIANTS: readonly [string, Parameters<typeof subject>[0]][] = [
  ["private user namespace, limits", { memory: "64m", cpus: "1", cpuShares: "512" }],
  [
    "a terminal, a reaper, limits of processes",
    {
      ...{ tty: true, init: true, ulimits: ["nofile=512"], nice: "1", oomScoreAdj: "10" },
      ...{ sysctls: ["net.core.somaxconn=99"], timeOffsets: ["boottime=5"], domainname: "d" },
    },
  ],
  ["a joined network namespace", { network: `ns:${NETWORK}` }],
  ["host user namespace, host network", { userns: "host", network: "host", tmpfs: ["/t"], volumes: ["/usr:/u:ro"] }],
];

for (const [what, options] of VARIANTS) {
  test(`each instruction fails once: ${what}`, async () => {
    const run = await subject(options);
    const before = snapshot();
    let failed = 0;
    for (let at = 0; at < run.layout.runCount; at++) {
      const { ended, plan } = await launch(run, failing(at));
      const { status, stderr } = await ended;
      if (stateOf(plan, at) === undefined && status === 0) continue; // it belongs to a way that was not taken
      failed++;
      const told = /^vitrine: step \d+ of \d+, .*: ENOSYS/m.test(stderr) || /after the journal was gone/.test(stderr);
      expect({ at, told: told || status === 0, stderr }).toEqual({ at, told: true, stderr });
      expect([0, 125, 126, 127]).toContain(status ?? -1);
      await expectNothingLeft(before, `instruction ${at} failed: ${instruction(run, at)}`);
    }
    expect(failed).toBeGreaterThan(run.layout.runCount / 2);
  });

  test(`everything is killed at each instruction once: ${what}`, async () => {
    const run = await subject(options);
    const before = snapshot();
    let killed = 0;
    const nap = [7, [0, 0, 250]] as const; // poll(2) of nothing, on x86-64
    for (let at = 0; at < run.layout.runCount; at++) {
      const { process: child, ended, plan } = await launch(run, replaced(at, ...nap));
      let over = false;
      ended.then(() => {
        over = true;
      });
      await until(() => over || stateOf(plan, at) === 1, `instruction ${at} to begin`);
      if (!over) {
        process.kill(child.pid ?? 0, "SIGKILL");
        killed++;
      }
      await ended;
      await expectNothingLeft(before, `killed at instruction ${at}: ${instruction(run, at)}`);
    }
    expect(killed).toBeGreaterThan(run.layout.runCount / 2);
  });
}

test("the container's process ends at each of its instructions once: the stage says so and cleans up", async () => {
  const run = await subject({});
  const before = snapshot();
  const exit = run.engine.facts.arch === "x64" ? 231 : 94;
  for (const [at, placed] of run.layout.instructions.entries()) {
    if (at >= run.layout.runCount || placed.op.where !== "container") continue;
    const { ended } = await launch(run, replaced(at, exit, [99]));
    const { status } = await ended;
    expect({ at, status: [0, 99, 125].includes(status ?? -1) }).toEqual({ at, status: true });
    await expectNothingLeft(before, `child ended at instruction ${at}: ${instruction(run, at)}`);
  }
});

async function expectNothingLeft(before: ReturnType<typeof snapshot>, what: string): Promise<void> {
  const next = vitrine(["ps", "-a", "-q"]);
  expect({ what, status: next.status, stdout: next.stdout, stderr: next.stderr }).toEqual({
    what,
    status: 0,
    stdout: "",
    stderr: "",
  });
  let left = difference(before, snapshot());
  for (let i = 0; left.length > 0 && i < 200; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    left = difference(before, snapshot());
  }
  expect({ what, left }).toEqual({ what, left: [] });
}

function instruction({ layout }: Subject, at: number): string {
  const placed = layout.instructions[at];
  if (!placed) return "?";
  const { instruction: i, op } = placed;
  return `${i.do === "sys" ? i.call : i.do} of ${op.call} ${op.object.slice(0, 60)}`;
}
