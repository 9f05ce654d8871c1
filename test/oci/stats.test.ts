/** `events --stats`: the front fills the templates in as the engine does, here from files that stand in for control groups. */
import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { renderStats } from "../../src/cgroup/stats.ts";
import type { StatsPart } from "../../src/cgroup/statsparts.ts";
import { directory } from "../vitrine.ts";

const place = directory("stats");
const front = `${place}/front-runtime`;
copyFileSync(`${import.meta.dir}/../../dist/vitrine-front`, front);

let count = 0;

/** What the front prints of a container whose plan names these parts. */
function short(parts: readonly StatsPart[]): { status: number | null; stdout: string } {
  const id = `c${++count}`;
  mkdirSync(`${place}/root/${id}`, { recursive: true });
  const lines = parts.map(({ name, directories }) => `${name}\t${directories.join("\t")}\n`).join("");
  writeFileSync(`${place}/root/${id}/lines`, lines);
  writeFileSync(`${place}/root/${id}/stage`, `#!/bin/sh\nexec /bin/cat '${place}/root/${id}/lines'\n`);
  chmodSync(`${place}/root/${id}/stage`, 0o755);
  const { status, stdout } = spawnSync(front, ["--root", `${place}/root`, "events", "--stats", id], {
    encoding: "utf8",
  });
  const data = stdout.replace(/^\{"type":"stats","id":"c\d+","data":(.*)\}\n$/, "$1");
  return { status, stdout: data };
}

function group(files: Readonly<Record<string, string>>): string {
  const path = `${place}/group ${++count}`;
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) writeFileSync(`${path}/${name}`, text);
  return path;
}

const read = (path: string) => {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return undefined;
  }
};

function both(parts: readonly StatsPart[]) {
  const long = renderStats(parts, read);
  expect(short(parts)).toEqual({ status: 0, stdout: long });
  return JSON.parse(long);
}

const NAMES = ["cpu", "cpuset", "memory", "pids", "blkio", "hugetlb"];
const partsOf = (version: 1 | 2, path: string) =>
  NAMES.map((name) => ({ name: `${name}${version}`, directories: name === "cpu" ? [path, path] : [path] }));

test("version 1", () => {
  const path = group({
    "cpuacct.usage": "123456789012345678\n",
    "cpuacct.usage_percpu": "1 22 333 \n",
    "cpuacct.usage_all": "cpu user system\n0 5 6\n1 70 80\n",
    "cpuacct.stat": "user 12\nsystem 34\n",
    "cpu.stat": "nr_periods 7\nnr_throttled 0\nthrottled_time 99\n",
    "cpuset.cpus": "0-2,5\n",
    "cpuset.mems": "\n",
    "cpuset.mems.effective": "0\n",
    "cpuset.cpu_exclusive": "0\n",
    "cpuset.sched_relax_domain_level": "-1\n",
    "memory.stat": "cache 4096\nrss 8192\nhierarchical_memory_limit 9223372036854771712\n",
    "memory.limit_in_bytes": "9223372036854771712\n",
    "memory.usage_in_bytes": "12345\n",
    "memory.max_usage_in_bytes": "0\n",
    "memory.failcnt": "3\n",
    "memory.kmem.tcp.limit_in_bytes": "1\n",
    "pids.current": "4\n",
    "pids.max": "max\n",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\n253:16 Total 30\nTotal 60\n",
    "blkio.throttle.io_serviced_recursive": "Total 0\n",
    "hugetlb.2MB.usage_in_bytes": "0\n",
    "hugetlb.2MB.failcnt": "5\n",
    "hugetlb.1GB.usage_in_bytes": "1073741824\n",
  });
  const stats = both(partsOf(1, path));
  expect(stats.cpu).toEqual({
    usage: {
      total: Number("123456789012345678"),
      percpu: [1, 22, 333],
      percpu_kernel: [6, 80],
      percpu_user: [5, 70],
      kernel: 340_000_000,
      user: 120_000_000,
    },
    throttling: { periods: 7, throttledTime: 99 },
  });
  expect(stats.cpuset).toEqual({ cpus: [0, 1, 2, 5], mems: [0], cpu_exclusive: 0, sched_relax_domain_level: -1 });
  expect(stats.memory.cache).toBe(4096);
  expect(stats.memory.usage).toEqual({ limit: Number("9223372036854771712"), usage: 12345, failcnt: 3 });
  expect(stats.memory.swap).toEqual({ limit: 0, failcnt: 0 });
  expect(stats.memory.raw.rss).toBe(8192);
  expect(stats.pids).toEqual({ current: 4 });
  expect(stats.blkio).toEqual({
    ioServiceBytesRecursive: [
      { major: 8, minor: 0, op: "Read", value: 10 },
      { major: 8, minor: 0, op: "Write", value: 20 },
      { major: 253, minor: 16, op: "Total", value: 30 },
    ],
  });
  expect(stats.hugetlb).toEqual({ "2MB": { failcnt: 5 }, "1GB": { usage: 1073741824, failcnt: 0 } });
  expect(stats).toMatchObject({ intel_rdt: {}, network_interfaces: null });
});

test("version 1: no digit is lost", () => {
  const path = group({ "memory.limit_in_bytes": "9223372036854771712\n" });
  expect(short([{ name: "memory1", directories: [path] }]).stdout).toContain('"limit":9223372036854771712,');
});

test("version 2, with limits", () => {
  const path = group({
    "cpu.stat": "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 3\nnr_throttled 2\nthrottled_usec 40\n",
    "cpuset.cpus": "\n",
    "cpuset.cpus.effective": "0-1\n",
    "cpuset.mems.effective": "0\n",
    "memory.stat": "anon 1\nfile 2\nslab_reclaimable 3\n",
    "memory.events": "low 0\nhigh 0\nmax 6\noom 0\n",
    "memory.current": "1000\n",
    "memory.max": "5000\n",
    "memory.peak": "2000\n",
    "memory.swap.current": "10\n",
    "memory.swap.max": "7\n",
    "pids.current": "1\n",
    "pids.max": "10\n",
    "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n7:1 \n253:0 rbytes=5 wbytes=0 rios=1 wios=0\n",
    "hugetlb.2MB.current": "0\n",
    "hugetlb.2MB.events": "max 2\n",
  });
  const stats = both(partsOf(2, path));
  expect(stats.cpu).toEqual({
    usage: { total: 1_500_000, kernel: 500_000, user: 1_000_000 },
    throttling: { periods: 3, throttledPeriods: 2, throttledTime: 40_000 },
  });
  expect(stats.cpuset).toEqual({ cpus: [0, 1], mems: [0] });
  expect(stats.memory).toMatchObject({
    cache: 2,
    usage: { limit: 5000, usage: 1000, max: 2000, failcnt: 6 },
    swap: { limit: 5007, usage: 1010, failcnt: 0 },
    raw: { anon: 1, file: 2, slab_reclaimable: 3 },
  });
  expect(stats.blkio.ioServicedRecursive).toEqual([
    { major: 8, minor: 0, op: "Read", value: 3 },
    { major: 8, minor: 0, op: "Write", value: 4 },
    { major: 253, minor: 0, op: "Read", value: 1 },
    { major: 253, minor: 0, op: "Write", value: 0 },
  ]);
  expect(stats.hugetlb).toEqual({ "2MB": { failcnt: 2 } });
});

test("version 2, without limits, and groups that have nothing", () => {
  const path = group({ "memory.current": "1\n", "memory.max": "max\n", "memory.swap.max": "max\n", "io.stat": "" });
  const none = Number.MAX_SAFE_INTEGER;
  const { memory, blkio } = both(partsOf(2, path));
  expect(memory.usage).toEqual({ limit: none, usage: 1, failcnt: 0 });
  expect(memory.swap).toEqual({ limit: none, usage: 1, failcnt: 0 });
  expect(blkio).toEqual({});
  for (const version of [1, 2] as const) both(partsOf(version, `${place}/nowhere`));
});

test("two directories: the second is that of the CPU controller", () => {
  const [acct, cpu] = [group({ "cpuacct.usage": "1\n" }), group({ "cpu.stat": "nr_periods 4\n" })];
  expect(both([{ name: "cpu1", directories: [acct, cpu] }]).cpu.throttling).toEqual({ periods: 4 });
});

test("what does not fit, or is of another version, is for the engine", () => {
  const path = group({ "memory.stat": "name 1\n".repeat(20_000) });
  expect(short([{ name: "memory1", directories: [path] }])).toEqual({ status: 125, stdout: "" });
  expect(short([{ name: "memory9", directories: [path] }])).toEqual({ status: 125, stdout: "" });
});
