/** One look at a container's health, by a process that is there for that alone; what came of it lies in STATE/health/ID. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { tokenOf } from "../container/identity.ts";
import type { RunRecord } from "../container/record.ts";
import { listRuns } from "../container/runs.ts";
import { readRecord } from "../container/store.ts";
import { writeWhole } from "../container/wholefile.ts";
import { SIGKILL } from "../linux/constants.ts";
import { planWait } from "../plan/health.ts";
import {
  afterProbe,
  type Health,
  type HealthCheck,
  healthCheckOf,
  MOST_OUTPUT,
  nextLook,
  type Probe,
} from "../spec/health.ts";
import { encode } from "../stage/encode.ts";
import type { Engine } from "./context.ts";
import { containerEvent } from "./events.ts";
import { directoryOf, type Noted, readHealth } from "./healthnotes.ts";
import { type Live, readLive } from "./live.ts";

/**
 * Looks, notes what came of it, and returns the plan to go on as: the wait for the next time. Undefined if the container has ended.
 * @param directory of its run
 */
export async function lookAtHealth(engine: Engine, directory: string): Promise<string | undefined> {
  const live = liveIn(engine, directory);
  const check = live && healthCheckOf(live.record.options, live.record.source.config.healthcheck);
  if (!live || !check) return undefined;
  const { record } = live;
  const { identity } = record;
  const started = record.started ?? record.created;
  const run = tokenOf(identity);
  const before = readHealth(engine, identity.id, run);
  let health = before;
  if (!live.paused) {
    const probe = await probeIn(engine, identity.id, check);
    if (!liveIn(engine, directory)) return undefined; // that is why it failed
    health = afterProbe(check, before, probe, started);
  }
  const place = {
    directory,
    program: engine.program,
    arguments: ["--root", engine.paths.root, "--state", engine.paths.state],
    env: record.input.place.env,
  };
  const delay = nextLook(check, health, Date.now() - started);
  const own = directoryOf(engine, identity.id);
  mkdirSync(own, { recursive: true, mode: 0o700 });
  writeWhole(`${own}/health.json`, JSON.stringify({ ...health, run } satisfies Noted), `${own}/health.json.new`);
  writeWhole(`${own}/plan`, encode(planWait(place, delay), engine.facts.arch).file, `${own}/plan.new`);
  if (health.status !== before.status) await changed(engine, record, check, health);
  return `${own}/plan`;
}

function liveIn({ paths }: Engine, directory: string): Live | undefined {
  const run = listRuns(paths).find((r) => r.directory === directory);
  return run && readLive(run);
}

async function changed(
  engine: Engine,
  record: RunRecord,
  { onFailure }: HealthCheck,
  { status }: Health,
): Promise<void> {
  const { id, name } = record.identity;
  const { image, options, source } = record;
  containerEvent(engine, `health_status: ${status}`, {
    id,
    name: readRecord(engine.paths, id)?.name ?? name,
    image,
    options,
    source,
  });
  if (status !== "unhealthy" || onFailure === "none") return;
  // By one of its own, which lets its restart policy do what it does: no user has wished this.
  if (onFailure === "kill") await (await import("./stop.ts")).signalFirst(engine, id, SIGKILL);
  else if (onFailure === "stop") await (await import("./stop.ts")).stopContainer(engine, id, {});
  else await (await import("./restart.ts")).restartContainer(engine, id, {});
}

/** As a user would, by `vitrine exec`, which ends with what it started when it is killed. */
function probeIn({ program, paths }: Engine, id: string, { command, timeout }: HealthCheck): Promise<Probe> {
  const start = Date.now();
  const args = ["--root", paths.root, "--state", paths.state, "exec", id, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env: {} });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => {
      if (output.length < MOST_OUTPUT) output = (output + bytes.toString("utf8")).slice(0, MOST_OUTPUT);
    });
  return new Promise((resolve) => {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, timeout);
    const end = (exitCode: number, words: string) => {
      clearTimeout(timer);
      resolve({ start, end: Date.now(), exitCode, output: words });
    };
    child.on("error", (error) => end(-1, error.message));
    child.on("exit", () => {
      if (late) end(-1, `Health check exceeded timeout (${timeout / 1000}s)`);
    });
    child.on("close", (code) => {
      if (!late) end(code ?? 137, output);
    });
  });
}
