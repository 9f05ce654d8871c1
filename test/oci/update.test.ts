/** `update` by the front: what it has the container's plan write, seen by a stand-in for the stage. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { weightOfShares } from "../../src/cgroup/cpu.ts";
import { PLAIN_SETTINGS } from "../../src/cgroup/plainsettings.ts";
import { directory } from "../vitrine.ts";

const place = directory("update");
const front = `${place}/front-runtime`;
copyFileSync(`${import.meta.dir}/../../dist/vitrine-front`, front);
mkdirSync(`${place}/root/c`, { recursive: true });

const numbers = (version: "v1" | "v2") => PLAIN_SETTINGS.flatMap((setting, i) => (setting[version] ? [i] : []));

function host(version: "v1" | "v2"): void {
  const known = numbers(version).join("|");
  const script = `#!/bin/sh
[ "$2" = 13 ] || exit 9
case "$3" in ${known}) echo "$3 $(/bin/cat)" >> ${place}/written ;; *) exit 1 ;; esac
`;
  writeFileSync(`${place}/root/c/stage`, script);
  chmodSync(`${place}/root/c/stage`, 0o755);
}

/** File and value of each write; undefined if it is left to the engine, which is not there. */
function update(version: "v1" | "v2", args: readonly string[], input = ""): Record<string, string> | undefined {
  host(version);
  rmSync(`${place}/written`, { force: true });
  const { status } = spawnSync(front, ["--root", `${place}/root`, "update", ...args], { input });
  if (status === 125) return undefined;
  expect(status).toBe(0);
  const lines = readFileSync(`${place}/written`, "utf8").trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => {
      const [number = "", ...value] = line.split(" ");
      return [PLAIN_SETTINGS[Number(number)]?.[version] ?? "?", value.join(" ")];
    }),
  );
}

const FLAGS = `--cpu-share=512 --cpu-period 1000 --cpu-quota=2000 --cpuset-cpus 0-2,4 --cpuset-mems 0
  --memory 64m --memory-reservation=32768k --pids-limit 7`.split(/\s+/);

test("every flag, on version 1", () =>
  expect(update("v1", [...FLAGS, "c"])).toEqual({
    "cpu.shares": "512",
    "cpu.cfs_period_us": "1000",
    "cpu.cfs_quota_us": "2000",
    "cpuset.cpus": "0-2,4",
    "cpuset.mems": "0",
    "memory.limit_in_bytes": "67108864",
    "memory.soft_limit_in_bytes": "33554432",
    "pids.max": "7",
  }));

test("every flag, on version 2", () =>
  expect(update("v2", ["c", ...FLAGS])).toEqual({
    "cpu.weight": `${weightOfShares(512)}`,
    "cpu.max": "2000 1000",
    "cpuset.cpus": "0-2,4",
    "cpuset.mems": "0",
    "memory.max": "67108864",
    "memory.low": "33554432",
    "pids.max": "7",
  }));

test("period or quota alone, and no quota", () => {
  expect(update("v1", ["--cpu-quota", "-1", "c"])).toEqual({ "cpu.cfs_quota_us": "-1" });
  expect(update("v2", ["--cpu-quota", "3000", "c"])).toEqual({ "cpu.max": "3000 100000" });
  expect(update("v2", ["--cpu-period", "3000", "c"])).toEqual({ "cpu.max": "max 3000" });
  expect(update("v2", ["--cpu-quota", "-1", "--cpu-period", "5", "c"])).toEqual({ "cpu.max": "max 5" });
});

test.each([1, 2, 3, 1023, 1024, 262_144, 999_999])("shares %d have the weight that the engine gives", (shares) =>
  expect(update("v2", ["--cpu-share", `${shares}`, "c"])).toEqual({ "cpu.weight": `${weightOfShares(shares)}` }),
);

const RESOURCES = ` {"cpu": {"shares":512,"quota" : -1 ,"cpus":"1"},
  "memory":{"limit":1048576 , "reservation":4096},"pids":{ "limit":9}} \n`;

test("resources, from a file and from standard input", () => {
  const wanted = {
    "cpu.shares": "512",
    "cpu.cfs_quota_us": "-1",
    "cpuset.cpus": "1",
    "memory.limit_in_bytes": "1048576",
    "memory.soft_limit_in_bytes": "4096",
    "pids.max": "9",
  };
  writeFileSync(`${place}/resources`, RESOURCES);
  for (const args of [
    ["-r", `${place}/resources`, "c"],
    ["--resources=-", "c"],
    ["c", "--resources", "-"],
  ]) {
    expect(update("v1", args, RESOURCES)).toEqual(wanted);
  }
});

test.each([
  ["--memory", "1.5g"],
  ["--memory", "-1"],
  ["--memory", "0"],
  ["--memory", "64mb"],
  ["--memory", "9999999999999999"],
  ["--memory", "8388608g"],
  ["--memory", ""],
  ["--memory"],
  ["--memory-swap", "64m"],
  ["--pids-limit", "1", "--pids-limit", "2"],
  ["--pids-limit", "-1"],
  ["--pids-limit", "0x10"],
  ["--pids-limit", "007"],
  ["--cpuset-cpus", "0\n1"],
  ["--cpuset-cpus", "0,".repeat(40)],
  ["--cpu-rt-period", "5"],
  ["--help"],
  ["d"],
  [],
])("left to the engine: %j", (...args) => {
  expect(update("v1", [...args, "c"])).toBeUndefined();
  expect(existsSync(`${place}/written`)).toBe(false);
});

test.each([
  "",
  "{}",
  "null",
  "[]",
  "{",
  '{"pids":{"limit":9}',
  '{"pids":{"limit":9}}}',
  '{"pids":{"limit":9}} x',
  '{"pids":{"limit":9,}}',
  '{"pids":{"limit":09}}',
  '{"pids":{"limit":-9}}',
  '{"pids":{"limit":9.5}}',
  '{"pids":{"limit":9e1}}',
  '{"pids":{"limit":"9"}}',
  '{"pids":{"limit":}}',
  '{"pids":{"limit":9,"limit":8}}',
  '{"pids":{"limit":9},"pids":{}}',
  '{"pids":{"l\\u0069mit":9}}',
  '{"pids":{"limit":9},"cpu":{}}',
  '{"pids":{"limit":9},"unified":{"pids.max":"3"}}',
  '{"cpu":{"cpus":0}}',
  '{"cpu":{"cpus":"0 "}}',
  '{"memory":{"limit":1048576,"swap":1048576}}',
  '{"memory":{"limit":1048576,"checkBeforeUpdate":true}}',
  `{"pids":{"limit":9}}${" ".repeat(70_000)}`,
])("left to the engine: %s", (json) => {
  expect(update("v1", ["--resources", "-", "c"], json)).toBeUndefined();
  expect(existsSync(`${place}/written`)).toBe(false);
});
