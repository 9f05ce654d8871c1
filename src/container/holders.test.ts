import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { lostRuns } from "./holders.ts";
import { runDirectory, STAND_IN } from "./identity.ts";
import { holdersFile, type Paths } from "./paths.ts";

const scratch = mkdtempSync("/var/tmp/vitrine-holders-");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
let paths: Paths;
let made = 0;
beforeEach(() => {
  paths = { root: `${scratch}/root`, state: `${scratch}/state${made++}` };
});

/** No process has so high a pid. */
const NOBODY = 4_194_305;

/** @param monitor pid of who holds it; undefined: it has not come so far */
function makeRun(number: number, monitor: number | undefined): string {
  const id = number.toString(16).padStart(64, "0");
  const directory = runDirectory(paths, { ...STAND_IN, id, pid: NOBODY + number, start: "77" });
  mkdirSync(directory, { recursive: true });
  if (monitor !== undefined)
    writeFileSync(`${directory}/monitor`, `${monitor} (vitrine-stage) ${"1 ".repeat(19)}77 0\n`);
  return directory;
}

const lost = () => lostRuns(paths).map(({ directory }) => directory);
const lines = () => readFileSync(holdersFile(paths), "utf8").split("\n").slice(0, -1);

function nap() {
  const process = Bun.spawn(["sleep", "100"]);
  return {
    pid: process.pid,
    end: async () => {
      process.kill(9);
      await process.exited;
    },
  };
}

test("a few are looked at one by one, and nothing is kept", () => {
  for (let i = 0; i < 15; i++) makeRun(i, process.pid);
  const gone = makeRun(15, NOBODY);
  expect(lost()).toEqual([gone]);
  expect(Bun.file(holdersFile(paths)).size).toBe(0);
});

test("of many, who holds them is kept, and seen when it has gone", async () => {
  const { pid, end } = nap();
  for (let i = 0; i < 20; i++) makeRun(i, process.pid);
  const killed = makeRun(20, pid);
  const unmonitored = makeRun(21, undefined);
  expect(lost()).toEqual([unmonitored]);
  expect(lines()).toHaveLength(21);
  // What is kept is believed as long as that process is there: the files are not looked at again.
  for (let i = 0; i < 20; i++)
    rmSync(
      `${runDirectory(paths, { ...STAND_IN, id: i.toString(16).padStart(64, "0"), pid: NOBODY + i, start: "77" })}/monitor`,
    );
  expect(lost()).toEqual([unmonitored]);
  await end();
  expect(lost().sort()).toEqual([killed, unmonitored].sort());
  expect(lines()).toHaveLength(21);
});

test("of one that has another holder than is kept, that one counts", () => {
  for (let i = 0; i < 20; i++) makeRun(i, process.pid);
  const name = (directory: string) => directory.slice(directory.lastIndexOf("/") + 1);
  const [changed, gone] = [makeRun(20, process.pid), makeRun(21, NOBODY)];
  writeFileSync(holdersFile(paths), `${name(changed)} ${NOBODY + 100}\n${name(gone)} ${NOBODY + 101}\n`);
  expect(lost()).toEqual([gone]);
  expect(lost()).toEqual([gone]);
  expect(lines().filter((line) => line.startsWith(name(changed)))).toEqual([
    `${name(changed)} ${NOBODY + 100}`,
    `${name(changed)} ${process.pid}`,
  ]);
});

test("what is not whole is not believed", () => {
  for (let i = 0; i < 20; i++) makeRun(i, process.pid);
  const gone = makeRun(20, NOBODY);
  const name = gone.slice(gone.lastIndexOf("/") + 1);
  for (const text of [
    `${name} ${process.pid}`,
    `${name} ${process.pid}${name} 1\n`,
    `${name} \n`,
    `${name}\n`,
    " 1\n",
    `${name} -1\n`,
  ]) {
    writeFileSync(holdersFile(paths), text);
    expect({ text, lost: lost() }).toEqual({ text, lost: [gone] });
  }
});

test("lines of runs that are gone do not heap up", () => {
  for (let i = 0; i < 20; i++) makeRun(i, process.pid);
  for (let i = 0; i < 200; i++) {
    makeRun(1000 + i, process.pid);
    expect(lost()).toEqual([]);
    expect(lines().length).toBeLessThanOrEqual(3 * 21 + 1);
    rmSync(makeRun(1000 + i, undefined), { recursive: true });
  }
});

test("where nothing can be kept, all are looked at", () => {
  for (let i = 0; i < 20; i++) makeRun(i, process.pid);
  mkdirSync(holdersFile(paths));
  const gone = makeRun(20, NOBODY);
  expect(lost()).toEqual([gone]);
});
