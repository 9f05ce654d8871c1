/** 64 workers that make, start, enter, end and remove containers, of their own and of all: WORK_SECONDS=N (15). */
import { expect, setDefaultTimeout, test } from "bun:test";
import { spawn } from "node:child_process";
import { watchLeaks } from "../leaks.ts";
import { busybox, type Result, STATE, vitrine, vitrineAsync } from "../vitrine.ts";
import { figure, quantile } from "./figures.ts";
import type { LockWaits } from "./lockwatch.ts";

setDefaultTimeout(600_000);
watchLeaks();

const WORKERS = 64;
const SECONDS = Number(process.env.WORK_SECONDS ?? 15);

/** What is right to say when another worker came first. */
const OTHERS = [
  /a container with this name is there/,
  /is (not )?running/,
  /is paused/,
  /"shared-\d" is (not a|neither) container|no( such)? container|NOT_FOUND|there is no/,
  /is being started by another command, or removed/,
  /has just been started, or is being removed/,
  /was removed a moment ago/,
  /is removed when it ends, and cannot be started again/,
  /has ended/,
  /is gone|was just removed|ended meanwhile/,
  /a start of container shared-\d that was killed has left its control group/,
];

/** Promised of the 99th of a hundred. */
const LOCK_MS = 100;

const times = new Map<string, number[]>();
const refused = new Map<string, number>();

async function timed(args: readonly string[]): Promise<Result> {
  const began = performance.now();
  const result = await vitrineAsync(args);
  const [command = ""] = args;
  times.set(command, [...(times.get(command) ?? []), performance.now() - began]);
  return result;
}

/** Of a container that nobody else knows: everything has to go well. */
async function alone(name: string): Promise<void> {
  const well = async (...args: string[]) => {
    const { status, stdout, stderr } = await timed(args);
    expect({ args, status, stderr }).toEqual({ args, status: 0, stderr: "" });
    return stdout;
  };
  await well("create", "--name", name, "--rootfs", busybox(), "sh", "-c", "echo up; sleep 1000");
  await well("start", name);
  expect(await well("exec", name, "echo", name)).toBe(`${name}\n`);
  await well("stop", "-t", "0", name);
  expect(await well("wait", name)).toBe("137\n");
  expect(await well("logs", name)).toBe("up\n");
  await well("start", name);
  await well("rm", "-f", name);
}

/** Of one that others work on too: either it goes well, or another one came first. */
async function together(name: string, random: () => number): Promise<void> {
  const choices = [
    ["run", "-d", "--name", name, "--rootfs", busybox(), "sleep", "1000"],
    ["create", "--name", name, "--rootfs", busybox(), "sleep", "1000"],
    ["start", name],
    ["exec", name, "true"],
    ["restart", "-t", "0", name],
    ["stop", "-t", "0", name],
    ["rm", "-f", name],
    ["rm", name],
    ["ps", "-a"],
  ];
  const args = choices[Math.floor(random() * choices.length)] ?? [];
  const { status, stderr } = await timed(args);
  if (status === 0) return;
  const [line = ""] = stderr.split("\n");
  const known = OTHERS.findIndex((pattern) => pattern.test(stderr));
  refused.set(String(OTHERS[known]), (refused.get(String(OTHERS[known])) ?? 0) + 1);
  // What runs or is being started when its container is ended by force is killed; -1: by a signal.
  const killed = /^(exec|run|start|restart)$/.test(args[0] ?? "") && (status === 137 || status === -1) && stderr === "";
  expect({ args, status, line, known: known >= 0 || killed }).toEqual({ args, status, line, known: true });
}

function randomOf(seed: number): () => number {
  let state = seed * 2654435761;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return state / 2 ** 32;
  };
}

/** Until the function is called that gives what was seen. */
function watchLocks(): () => Promise<LockWaits> {
  const child = spawn("nice", ["-n", "-19", process.execPath, `${import.meta.dir}/lockwatch.ts`, STATE], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (d) => {
    text += d;
  });
  const closed = new Promise((resolve) => child.on("close", resolve));
  return async () => {
    child.stdin.end();
    await closed;
    return JSON.parse(text);
  };
}

test(`${WORKERS} workers for ${SECONDS} s`, async () => {
  const locks = watchLocks();
  const end = performance.now() + SECONDS * 1000;
  const worker = async (number: number) => {
    const random = randomOf(number + 1);
    for (let round = 0; performance.now() < end; round++)
      if (number % 2 === 0) await alone(`alone-${number}-${round}`);
      else await together(`shared-${Math.floor(random() * 6)}`, random);
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, i) => worker(i)));
  const { plans, waits } = await locks();
  // Only states that there are, and each container can be removed.
  const left = vitrine(["ps", "-a", "--format", "{{.Names}} {{.State}}"]).stdout.trim().split("\n").filter(Boolean);
  for (const line of left) expect(line).toMatch(/^shared-\d (created|running|exited)$/);
  for (const line of left) expect(vitrine(["rm", "-f", line.split(" ")[0] ?? ""]).stderr).toBe("");
  const all = [...times.values()].flat();
  figure(`${WORKERS} workers on ${navigator.hardwareConcurrency} CPUs`, {
    commands: all.length,
    "a second": all.length / SECONDS,
    "refused because another came first": [...refused.values()].reduce((a, b) => a + b, 0),
    "plans looked into": plans,
    "locks asked for": waits.length,
    "lock wait median ms": quantile(waits, 0.5),
    "lock wait p99 ms": quantile(waits, 0.99),
    "longest ms": Math.max(...waits),
    ...Object.fromEntries([...times].map(([name, list]) => [`${name} p99 ms`, quantile(list, 0.99)])),
  });
  expect(waits.length).toBeGreaterThan(all.length / 4);
  expect(quantile(waits, 0.99)).toBeLessThan(LOCK_MS);
});
