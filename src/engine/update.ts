/** `update`: other limits for a container, at once if it runs, and for its next starts. */
import { readFileSync } from "node:fs";
import { carryOut } from "../container/plans.ts";
import { changeRecords, readConfig, readRecord, writeConfig } from "../container/store.ts";
import { invalid, VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { missingControllers, planUpdate } from "../plan/cgroup.ts";
import { type AskedLimits, changeLimits } from "../spec/changedlimits.ts";
import type { Resources } from "../spec/config.ts";
import { DEFAULT_PIDS_LIMIT } from "../spec/options.ts";
import { parseRestart } from "../spec/restart.ts";
import type { Engine } from "./context.ts";
import { containerEvent, runEvent } from "./events.ts";
import { collect } from "./gc.ts";
import { type Live, liveAmong } from "./live.ts";
import { lookUp } from "./lookup.ts";

/** Returns the name as it was given. @param restart another restart policy @throws NOT_FOUND, INVALID, CONFLICT, LIMIT_UNAVAILABLE: nothing has changed then */
export async function updateContainer(
  engine: Engine,
  nameOrId: string,
  asked: AskedLimits,
  restart?: string,
): Promise<string> {
  await collect(engine);
  const { paths } = engine;
  const { id, runs } = lookUp(engine, nameOrId);
  const live = liveAmong(runs);
  const record = readRecord(paths, id);
  const before = record?.options ?? live?.record.options;
  if (!before)
    throw new VitrineError("UNSUPPORTED", `container ${nameOrId} was made by an older vitrine, which did not note how`);
  if (restart !== undefined) {
    parseRestart(restart);
    if (!record) throw invalid(`container ${nameOrId} is removed when it ends: no policy can start it again`);
  }
  const { resources, written } = changeLimits(before, asked, engine.facts);
  const [lacking] = missingControllers(engine.facts, written);
  if (lacking !== undefined)
    throw new VitrineError(
      "LIMIT_UNAVAILABLE",
      `this host cannot limit ${lacking}: no cgroup hierarchy has that controller`,
    );
  if (live)
    change(engine, live, nameOrId, written, changeLimits(before, limitsIn(before, asked), engine.facts).written);
  const config = record && readConfig(paths, id);
  if (record && config) {
    writeConfig(paths, id, {
      ...config,
      linux: { ...config.linux, resources: { ...config.linux.resources, ...resources } },
    });
    changeRecords(paths, id, (now) => {
      const { options } = changeLimits(now.options ?? before, asked, engine.facts);
      return { ...now, options: restart === undefined ? options : { ...options, restart } };
    });
  }
  if (record) containerEvent(engine, "update", record);
  else if (live) runEvent(engine, "update", live.record);
  return nameOrId;
}

/** What the limits that are asked for were before; CPUs that were not chosen cannot be chosen back. */
function limitsIn(options: AskedLimits, asked: AskedLimits): AskedLimits {
  const none: AskedLimits = { cpusetCpus: undefined, cpusetMems: undefined, pidsLimit: String(DEFAULT_PIDS_LIMIT) };
  const names = Object.keys(asked) as (keyof AskedLimits)[];
  return Object.fromEntries(names.map((name) => [name, options[name] ?? (name in none ? none[name] : "0")]));
}

/** All of them, or none. */
function change(engine: Engine, { record }: Live, name: string, limits: Resources, before: Resources): void {
  const { facts, input } = record;
  const path = input.config.linux.cgroupsPath;
  checkMemory(facts, path, name, limits.memory?.limit);
  const write = (resources: Resources) => carryOut(engine.stage.path, engine.paths, planUpdate(facts, path, resources));
  try {
    write(limits);
  } catch (error) {
    write(before);
    throw error;
  }
}

/** v1 refuses a limit below what cannot be freed by itself; v2 kills. */
function checkMemory({ cgroups: { v2 } }: HostFacts, path: string, name: string, limit: number | undefined): void {
  if (limit === undefined || limit < 0 || !v2?.controllers.includes("memory")) return;
  const used = Number(readFileSync(`${v2.mount}${path}/memory.current`, "latin1"));
  if (used >= limit)
    throw new VitrineError(
      "CONFLICT",
      `container ${name}: a memory limit of ${limit} bytes is below what it uses, ${used}`,
    );
}
