/** For every instruction of the plan of a run: it fails once, and the processes are killed at it once. After the next command nothing is left. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { tellFailure } from "../../src/engine/failed.ts";
import type { Where } from "../../src/plan/plan.ts";
import type { Layout } from "../../src/stage/encode.ts";
import { difference, snapshot } from "../leaks.ts";
import { directory, vitrine } from "../vitrine.ts";
import {
  failing,
  hanging,
  inBatches,
  killWhen,
  launch,
  replaced,
  SILENT,
  SILENT_STATUS,
  type Subject,
  stateOf,
  subject,
} from "./faulty.ts";

setDefaultTimeout(600_000);

/** Of so many failures one is told by the program, which takes the time of several runs; the others by the same function in this process. */
const ALOUD = 8;

/** Held by a file, for as long as this file's tests run. */
const NETWORK = `${directory("namespaces")}/net`;
writeFileSync(NETWORK, "");
beforeAll(() => expect(spawnSync("unshare", [`--net=${NETWORK}`, "true"]).status).toBe(0));
afterAll(() => expect(spawnSync("umount", [NETWORK]).status).toBe(0));
beforeAll(() => expect(vitrine(["network", "up", "bridge"]).stderr).toBe(""));
afterAll(() => expect(vitrine(["network", "down", "bridge"]).stderr).toBe(""));

/** As before Linux 6.13. The rest of this plan is the first variant's: only what is done for the layers is looked at. */
const BY_NAME: Parameters<typeof subject> = [{}, { overlayByFd: false }];

/** The same of one that belongs to the process that started it. */
const OWNED: Parameters<typeof subject> = [{ owned: true }, {}];

/** Of one on a network only what that is about: its address, ports that the kernel chooses, its devices, its files. */
const ON_NETWORK: Parameters<typeof subject> = [
  { networks: ["bridge"], network: "bridge", publish: ["80", "[::]::81", "0.0.0.0::53/udp"] },
  {},
];

function places({ layout }: Subject, facts: Parameters<typeof subject>[1]): number[] {
  const all = layout.instructions.slice(0, layout.runCount).map((_, at) => at);
  if (!facts) return all;
  if (layout.instructions.some(({ op }) => op.object.includes("network bridge")))
    return all.filter((at) => ABOUT_NETWORKS.test(layout.instructions[at]?.op.object ?? ""));
  const about = ({ op }: Layout["instructions"][number]) =>
    op.where === "mounter" || /mounts the layers|SIGSTKFLT|owner|pipe/.test(op.object);
  return all.filter((at) => layout.instructions.slice(at, at + 1).some(about));
}

const ABOUT_NETWORKS = /network bridge|RTM_|NFT_|port|socket|\/(hosts|hostname|resolv\.conf)$/;

const VARIANTS: readonly [string, ...Parameters<typeof subject>][] = [
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
  ["layers by name", ...BY_NAME],
  ["on a network", ...ON_NETWORK],
  ["owned by who started it", ...OWNED],
];

for (const [what, options, facts] of VARIANTS) {
  test(`each instruction fails once: ${what}`, async () => {
    const [run, silent] = [await subject(options, facts), await subject(options, facts, SILENT)];
    const served = run.layout.instructions.findIndex((p) => p.instruction.do === "serve"); // from there on it tells of ends, too
    const before = snapshot();
    let failed = 0;
    const attempt = async (at: number) => {
      const { ended, plan } = await launch(at % ALOUD === 0 || at >= served ? run : silent, failing(at));
      const { status, stderr } = await ended;
      if (status === SILENT_STATUS) {
        const { message, exitStatus } = tellFailure(run.engine, dirname(plan));
        expect({ at, message }).toEqual({ at, message: expect.stringMatching(/^step \d+ of \d+, .*: ENOSYS/) });
        expect([125, 126, 127]).toContain(exitStatus);
        failed++;
        return;
      }
      if (stateOf(plan, at) === undefined && status === 0) return; // it belongs to a way that was not taken
      failed++;
      const told = /(^vitrine: |"message":")step \d+ of \d+, .*: ENOSYS/m.test(stderr);
      expect({ at, told: told || status === 0, stderr }).toEqual({ at, told: true, stderr });
      expect([0, 125, 126, 127]).toContain(status ?? -1);
    };
    const look = (which: string) => expectNothingLeft(before, `one instruction failed, ${which}`);
    await inBatches(places(run, facts), attempt, look, (at) => instruction(run, at));
    expect(failed).toBeGreaterThan(places(run, facts).length / 2);
  });

  test(`everything is killed at each instruction once: ${what}`, async () => {
    const run = await subject(options, facts);
    const before = snapshot();
    let killed = 0;
    const attempt = async (at: number) => {
      const running = await launch(run, hanging(at));
      if (await killWhen(running, () => stateOf(running.plan, at) === 1, `instruction ${at} to begin`)) killed++;
      await running.ended;
    };
    const look = (which: string) => expectNothingLeft(before, `killed at an instruction, ${which}`);
    await inBatches(places(run, facts), attempt, look, (at) => instruction(run, at));
    expect(killed).toBeGreaterThan(places(run, facts).length / 2);
  });
}

const ENDING: readonly [Where, ...Parameters<typeof subject>][] = [
  ["container", {}],
  ["mounter", ...BY_NAME],
];
for (const [where, options, facts] of ENDING)
  test(`the ${where}'s process ends at each of its instructions once: the stage says so and cleans up`, async () => {
    const run = await subject(options, facts);
    const before = snapshot();
    const exit = run.engine.facts.arch === "x64" ? 231 : 94;
    const its = run.layout.instructions.flatMap(({ op }, at) =>
      at < run.layout.runCount && op.where === where ? [at] : [],
    );
    const attempt = async (at: number) => {
      const { ended } = await launch(run, replaced(at, exit, [99]));
      const { status } = await ended;
      expect({ at, status: [0, 99, 125].includes(status ?? -1) }).toEqual({ at, status: true });
    };
    const look = (which: string) => expectNothingLeft(before, `${where} ended at an instruction, ${which}`);
    await inBatches(its, attempt, look, (at) => instruction(run, at));
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
  // A process that hangs does so for two seconds, and may not be under its parent's signal yet.
  for (const end = performance.now() + 5000; left.length > 0 && performance.now() < end; ) {
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
