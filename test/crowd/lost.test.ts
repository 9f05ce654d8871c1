/** Among many that run: what a killed monitor leaves goes with the next command, which does not look at each of the others for that. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { holderOf, listRuns, type Run } from "../../src/container/runs.ts";
import { BINARY, busybox, directory, ROOT, STATE, until, vitrine, vitrineAsync } from "../vitrine.ts";
import { crowd } from "./figures.ts";

setDefaultTimeout(120_000);

const COUNT = 40;
const PATHS = { root: ROOT, state: STATE };
const up = (name: string, ...flags: string[]) =>
  vitrineAsync(["run", "-d", "--name", name, ...flags, "--rootfs", busybox(), "sleep", "10000"]);

beforeAll(async () => {
  const names = Array.from({ length: COUNT }, (_, i) => `crowd-${i}`);
  await crowd(names, 2, async (name) => expect((await up(name)).status).toBe(0));
});
afterAll(async () => {
  const names = vitrine(["ps", "-aq"]).stdout.trim().split("\n");
  await crowd(names, 2, async (name) => expect((await vitrineAsync(["rm", "-f", name])).status).toBe(0));
  expect(listRuns(PATHS)).toEqual([]);
});

async function killMonitor(id: string): Promise<Run> {
  const [run] = listRuns(PATHS).filter((one) => one.id === id);
  if (!run) throw new Error(`${id}: no run`);
  const { pid } = holderOf(run);
  process.kill(pid, "SIGKILL");
  await until(() => !existsSync(`/proc/${pid}`), "the monitor's end");
  return run;
}

for (const [what, known, ...command] of [
  ["a start", true, "run", "--rm", "--rootfs", busybox(), "true"],
  ["a start, of one that no command has met", false, "run", "--rm", "--rootfs", busybox(), "true"],
  ["exec in another", true, "exec", "crowd-0", "true"],
  ["ps", true, "ps"],
] as const)
  test(`what a killed one leaves goes with ${what}`, async () => {
    const id = (await up("killed")).stdout.trim();
    const other = (await up("gone", "--rm")).stdout.trim();
    if (known) for (const name of ["killed", "crowd-1"]) expect(vitrine(["inspect", name]).status).toBe(0);
    const runs = [await killMonitor(id), await killMonitor(other)];
    for (const run of runs) expect(existsSync(run.directory)).toBe(true);
    expect(vitrine(command)).toMatchObject({ status: 0, stderr: "" });
    for (const run of runs) expect(existsSync(run.directory)).toBe(false);
    expect(existsSync(`${ROOT}/names/gone`)).toBe(false);
    const noted = JSON.parse(readFileSync(`${ROOT}/containers/${id}/container.json`, "utf8"));
    expect(noted).toMatchObject({ status: "exited", exitCode: 137 });
    expect(listRuns(PATHS)).toHaveLength(COUNT);
    expect(vitrine(["rm", "killed"]).status).toBe(0);
  });

test("a start opens no other run's files", () => {
  const log = `${directory("lost")}/log`;
  const start = ["run", "--rm", "--rootfs", busybox(), "true"];
  vitrine(start); // what was started last is not known yet
  const env = { PATH: process.env.PATH ?? "", VITRINE_ROOT: ROOT, VITRINE_STATE: STATE };
  const traced = Bun.spawnSync(["strace", "-f", "-e", "trace=openat", "-o", log, BINARY, ...start], { env });
  expect(traced.exitCode).toBe(0);
  const opened = readFileSync(log, "latin1").split("\n");
  const ids = listRuns(PATHS).map(({ id }) => id);
  expect(ids).toHaveLength(COUNT);
  expect(opened.some((line) => line.includes(`${STATE}/runs"`))).toBe(true);
  expect(opened.filter((line) => ids.some((id) => line.includes(id)))).toEqual([]);
});
