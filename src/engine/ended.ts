/** The end of a container that has to be told: a violent one, one with a timeline, or one of a container that stays. */
import { readFileSync } from "node:fs";
import { type Journal, readJournal } from "../container/journal.ts";
import { dropRun, planFile } from "../container/runs.ts";
import { readRecord, writeRecord } from "../container/store.ts";
import { VitrineError } from "../errors.ts";
import type { HostFacts } from "../linux/facts.ts";
import { runStage } from "../stage/execute.ts";
import type { Engine } from "./context.ts";
import { kernelLines } from "./kernellog.ts";
import { exited } from "./recover.ts";
import { removeFiles } from "./remove.ts";

export interface End {
  readonly exitCode: number;
  readonly journal: Journal;
  /** The kernel's own lines, if the container met its memory limit. */
  readonly oom: readonly string[] | undefined;
  /** Nanoseconds that taking everything away took. */
  readonly undoTook: bigint;
}

export function finishRun(engine: Engine, directory: string): End {
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
  const lasting = record.keep ? readRecord(engine.paths, record.identity.id) : undefined;
  // While there is a run: without one, others note what they can guess.
  if (lasting) writeRecord(engine.paths, exited(lasting, exitCode, oom !== undefined));
  const before = process.hrtime.bigint();
  const { status, stderr } = runStage(engine.stage.path, planFile(directory), "recover");
  const undoTook = process.hrtime.bigint() - before;
  if (status !== 0)
    throw new VitrineError("BROKEN_STATE", `${directory}: not everything could be taken away ${stderr.trim()}`, {
      hint: "vitrine gc tries again",
    });
  dropRun(directory);
  if (lasting?.options?.rm) removeFiles(engine, lasting.id, lasting.name);
  return { exitCode, journal, oom, undoTook };
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
