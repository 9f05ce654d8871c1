/** A container as a step of the engine's own work: waited for, its output kept, gone with this process. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { newIdentity, STAND_IN } from "../container/identity.ts";
import { claimRun, dropRun, planFile, writePlan } from "../container/runs.ts";
import { makeTemplate, stamp } from "../container/template.ts";
import { exact } from "../container/trailer.ts";
import { planRun } from "../plan/run.ts";
import type { RunOptions } from "../spec/options.ts";
import { encode } from "../stage/encode.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { resolveRequest } from "./request.ts";
import { shapeOf } from "./shape.ts";

export interface Inside {
  /** What to run, with `rm`; its root is the image that they name. */
  readonly options: RunOptions;
  /** A directory for what it writes: "upper" in it is the caller's afterwards. */
  readonly scratch: string;
  readonly signal?: AbortSignal | undefined;
  /** Each line that it writes. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface InsideEnd {
  /** As a shell gives it. */
  readonly status: number;
  /** The last lines that it wrote, standard error among them. */
  readonly lines: readonly string[];
}

const KEPT_LINES = 200;

export async function runInside(engine: Engine, { options, scratch, signal, onLine }: Inside): Promise<InsideEnd> {
  const { paths, facts, stage } = engine;
  const began = process.hrtime.bigint();
  const request = await resolveRequest(engine, options, false, false);
  const shape = shapeOf(engine, request, STAND_IN);
  const root = { kind: "overlay", layers: request.image.layers, scratch, throwAway: true } as const;
  const own = { ...shape, input: { ...shape.input, root, attendedBy: process.pid } };
  const { file } = encode(planRun(own.input, facts), facts.arch);
  const template = makeTemplate("", JSON.stringify(own, exact), file);
  const identity = newIdentity(undefined);
  signal?.throwIfAborted();
  const directory = claimRun(paths, identity);
  try {
    const moment = { created: Date.now(), prepared: Number(process.hrtime.bigint() - began) };
    writePlan(directory, stamp(template, identity, moment));
    return await attend(stage.path, planFile(directory), signal, onLine);
  } finally {
    // The stage takes its own plan away; one that was killed has left it.
    if (existsSync(planFile(directory))) runStage(stage.path, planFile(directory), "recover");
    dropRun(directory);
  }
}

async function attend(
  stage: string,
  plan: string,
  signal: AbortSignal | undefined,
  onLine: ((line: string) => void) | undefined,
): Promise<InsideEnd> {
  const child = spawn(stage, [plan], { argv0: "vitrine-stage", stdio: ["ignore", "pipe", "pipe"], env: {} });
  if (child.pid === undefined) await once(child, "spawn"); // throws what it tells in a moment
  const lines: string[] = [];
  const take = (line: string) => {
    lines.push(line);
    if (lines.length > KEPT_LINES) lines.shift();
    onLine?.(line);
  };
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      for (const part of parts) take(part);
    });
    stream.on("end", () => {
      if (rest !== "") take(rest);
    });
  }
  return new Promise((resolve, reject) => {
    const kill = () => child.kill("SIGKILL");
    signal?.addEventListener("abort", kill, { once: true });
    child.on("error", reject);
    child.on("close", (code) => {
      signal?.removeEventListener("abort", kill);
      if (signal?.aborted) reject(signal.reason);
      else resolve({ status: code ?? 137, lines });
    });
  });
}
