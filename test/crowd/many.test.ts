/** Many containers at once: CROWD=N (200). */
import { expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { watchLeaks } from "../leaks.ts";
import { busybox, STATE, vitrine, vitrineAsync } from "../vitrine.ts";
import { crowd, figure, quantile } from "./figures.ts";

setDefaultTimeout(600_000);
watchLeaks();

const COUNT = Number(process.env.CROWD ?? 200);
const PS_MS = 300;

/** Kilobytes that the monitors have for themselves, and their share of what all have. */
function monitorMemory(): { count: number; private: number; shared: number } {
  const sum = { count: 0, private: 0, shared: 0 };
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name)))
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, "latin1");
      if (!command.startsWith("vitrine-stage") || !command.includes(STATE)) continue;
      const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "latin1");
      const of = (name: string) => Number(new RegExp(`^${name}: +(\\d+)`, "m").exec(rollup)?.[1] ?? 0);
      sum.count++;
      sum.private += of("Private_Clean") + of("Private_Dirty");
      sum.shared += of("Pss");
    } catch {
      // It ended meanwhile.
    }
  return sum;
}

test(`${COUNT} containers up at once, listed, ended`, async () => {
  const names = Array.from({ length: COUNT }, (_, i) => `many-${i}`);
  const up = async (name: string) => {
    const { status, stderr } = await vitrineAsync([
      "run",
      "-d",
      "--name",
      name,
      "--rootfs",
      busybox(),
      "sleep",
      "10000",
    ]);
    expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: "" });
  };
  const one = (list: readonly string[]) => crowd(list, 1, up);
  const first = await one(names.slice(0, 10)); // the first of them plans
  const middle = await crowd(names.slice(10, -10), 4, up);
  const last = await one(names.slice(-10));
  const [early, late] = [quantile(first.slice(1), 0.5), quantile(last, 0.5)];

  const listing = (head: number, ...flags: string[]) =>
    Array.from({ length: 7 }, () => {
      const began = performance.now();
      const { stdout } = vitrine(["ps", ...flags]);
      const took = performance.now() - began;
      expect(stdout.trim().split("\n")).toHaveLength(COUNT + head);
      return took;
    });
  const quiet = quantile(listing(0, "-q"), 0.5);
  const ps = quantile(listing(1), 0.5);
  const memory = monitorMemory();
  expect(memory.count).toBe(COUNT);
  expect(memory.private / COUNT).toBeLessThan(100);
  const execs = await crowd(names.slice(0, 20), 1, async (name) => {
    expect((await vitrineAsync(["exec", name, "echo", name])).stdout).toBe(`${name}\n`);
  });
  expect(new Set(vitrine(["ps", "--format", "{{.State}}"]).stdout.trim().split("\n"))).toEqual(new Set(["running"]));

  const ending = await crowd(names, 4, async (name) => {
    const { status, stderr } = await vitrineAsync(["rm", "-f", name]);
    expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: "" });
  });
  expect(vitrine(["ps", "-aq"]).stdout).toBe("");
  figure(`${COUNT} containers at once`, {
    "start of the 2nd to 10th ms": early,
    "of four at a time": quantile(middle, 0.5),
    "of the last ten": late,
    "to the first": late / early,
    "ps ms": ps,
    "ps -q ms": quiet,
    "exec ms": quantile(execs, 0.5),
    "rm -f of four at a time ms": quantile(ending, 0.5),
    "monitor KB, its own": memory.private / COUNT,
    "with its share of the common": memory.shared / COUNT,
  });
  expect(ps).toBeLessThan(PS_MS * Math.max(1, COUNT / 1000));
});
