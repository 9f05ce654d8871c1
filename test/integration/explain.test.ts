/** A plan can be looked at, as text and as data; a run has its timeline; and looking changes nothing. */
import { expect, test } from "bun:test";
import type { Explained } from "../../src/explain/json.ts";
import { watchLeaks } from "../leaks.ts";
import { busybox, run, vitrine } from "../vitrine.ts";

watchLeaks();

const explain = (...flags: string[]) => vitrine(["run", ...flags, "--rootfs", busybox(), "sh", "-c", "echo ran"]);

test("--explain tells phases, steps, reasons, commands, and runs nothing", () => {
  const { stdout, status } = explain("--explain");
  expect(status).toBe(0);
  expect(stdout).not.toContain("\nran\n");
  for (const phase of [
    "Claim, outside",
    "Limits, outside",
    "Namespaces, in the container's process",
    "Process, in the container's process",
    "Life and end, outside",
  ])
    expect(stdout).toContain(phase);
  const numbers = [...stdout.matchAll(/^ {0,3}(\d+) {2}\w/gm)].map((m) => Number(m[1]));
  expect(numbers).toEqual(numbers.map((_, i) => i + 1));
  expect(stdout).toMatch(/undone by: rmdir \/sys\/fs\/cgroup\/(memory\/)?vitrine-/);
});

test("--explain=json is the same plan as data", () => {
  const { steps, before }: Explained = JSON.parse(explain("--explain=json").stdout);
  expect(before).toEqual([]);
  expect(steps.length).toBeGreaterThan(40);
  for (const step of steps) {
    expect(step.why).toMatch(/^[A-Z].*\.$/s);
    expect(["host", "caller", "container", "mounter"]).toContain(step.where);
    expect(step.does.length).toBeGreaterThan(0);
  }
  expect(steps.filter((s) => s.call === "pivot_root")).toHaveLength(1);
});

test("--explain of an image that is not assembled tells how it would be, and does not", () => {
  const { before }: Explained = JSON.parse(vitrine(["run", "--explain=json", "host:true,false", "true"]).stdout);
  expect(before.map((s) => s.call)).toContain("copy_file_range");
  const again: Explained = JSON.parse(vitrine(["run", "--explain=json", "host:true,false", "true"]).stdout);
  expect(again.before.length).toBe(before.length);
});

test("bad input is refused before anything is explained", () => {
  const { status, stdout } = explain("--explain", "--memory", "x");
  expect(status).toBe(125);
  expect(stdout).toBe("");
  expect(explain("--explain=xml").status).toBe(125);
});

test("--timeline runs, and then tells when each step began and how long it took", () => {
  const { stdout, stderr, status } = run(["--timeline"], ["sh", "-c", "sleep 0.2; echo ran; exit 5"]);
  expect(status).toBe(5);
  expect(stdout).toBe("ran\n");
  const rows = stderr.split("\n").flatMap((line) => {
    const m = /^ +(\d+) +([\d.]+) +([\d.]+|-) +(outside|inside) +(\S+)/.exec(line);
    return m ? [{ at: Number(m[2]), took: Number(m[3]), call: m[5] }] : [];
  });
  expect(rows.length).toBeGreaterThan(40);
  const waited = rows.find((r) => r.call === "waitid");
  expect(waited?.took).toBeGreaterThan(190);
  expect(waited?.took).toBeLessThan(2000);
  expect(stderr).toMatch(/vitrine before the stage: [\d.]+ ms; undo: [\d.]+ ms\n$/);
});
