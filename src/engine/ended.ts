/** The end of a container that has to be told: a violent one, one with a timeline, or one of a container that stays. */
import { readFileSync } from "node:fs";
import { emit } from "../container/events.ts";
import { type Journal, readJournal } from "../container/journal.ts";
import type { ContainerRecord } from "../container/record.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { changeRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { collect } from "./gc.ts";
import { kernelLines } from "./kernellog.ts";
import { exited } from "./recover.ts";
import { removeFiles } from "./remove.ts";
import { dropRestart, keepsGoing, prepareRestart } from "./restarting.ts";

export interface End {
  readonly exitCode: number;
  readonly journal: Journal;
  /** The kernel's own lines, if the container met its memory limit. */
  readonly oom: readonly string[] | undefined;
  /** Nanoseconds that taking everything away took. */
  readonly undoTook: bigint;
  /** Directory of the run that its restart policy has this process go on as. */
  readonly next: string | undefined;
}

export async function finishRun(engine: Engine, directory: string): Promise<End> {
  const journal = readJournal(directory);
  if (!journal)
    throw new VitrineError("BROKEN_STATE", `${directory}: no journal of this version of vitrine`, {
      hint: "vitrine gc cleans up",
    });
  const { record, report } = journal;
  const served = journal.layout.instructions.findIndex((p) => p.instruction.do === "serve" && p.op.where === "host");
  const exitCode = Number(report.records[served]?.result ?? 125n);
  const group = record.input.config.linux.cgroupsPath;
  const oom = metMemoryLimit(record.facts, group) ? kernelLines(group) : undefined;
  // While there is a run: without one, others note what they can guess.
  const note = (lasting: ContainerRecord) => exited(lasting, exitCode, oom !== undefined);
  const now = record.keep ? changeRecord(engine.paths, record.identity.id, note) : undefined;
  const next = now && (await prepareRestart(engine, now)); // before this run is gone: at no time is there none
  await collect(engine); // a killed exec has left a group below the container's
  const before = process.hrtime.bigint();
  const { status, stderr } = runStage(engine.stage.path, planFile(directory), "recover");
  const undoTook = process.hrtime.bigint() - before;
  if (status !== 0 && next) dropRestart(engine, now.id, next);
  if (status !== 0)
    throw new VitrineError("BROKEN_STATE", `${directory}: not everything could be taken away ${stderr.trim()}`, {
      hint: "vitrine gc tries again",
    });
  dropRun(directory);
  const { told } = record.input;
  const tell = (action: string) =>
    told && emit(engine.paths, "container", action, told.id, { ...told.attributes, name: told.name });
  if (oom) tell("oom");
  if (!record.keep || now?.options?.rm) tell("destroy");
  if (now?.options?.rm) removeFiles(engine, now.id, now.name);
  const goesOn = now !== undefined && next !== undefined && keepsGoing(engine, now, next);
  return { exitCode, journal, oom, undoTook, next: goesOn ? next : undefined };
}

/** oom_kill in memory.oom_control (v1) or memory.events (v2). */
function metMemoryLimit({ cgroups }: HostFacts, path: string): boolean {
  const v1 = cgroups.v1.find((h) => h.controllers.includes("memory"));
  const file = v1
    ? `${v1.mount}${path}/memory.oom_control`
    : cgroups.v2
      ? `${cgroups.v2.mount}${path}/memory.events`
      : "";
  try {
    return Number(/^oom_kill (\d+)$/m.exec(readFileSync(file, "latin1"))?.[1] ?? 0) > 0;
  } catch {
    return false; // without a memory controller there is no such limit
  }
}
