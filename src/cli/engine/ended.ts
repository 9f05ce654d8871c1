import { closeSync, openSync } from "node:fs";
import { checkRun, planFile } from "../../container/runs.ts";
import { openEngine } from "../../engine/context.ts";
import { finishRun } from "../../engine/ended.ts";
import { VitrineError } from "../../errors.ts";
import { formatBytes } from "../../spec/sizes.ts";
import { becomeStage } from "../../stage/become.ts";
import type { Command } from "../command.ts";
import { printError } from "../output.ts";
import { tellOwner } from "../owner.ts";

export const command: Command = {
  usage: "vitrine ended RUN",
  summary: "Started by the stage: tells of a container's end",
  flags: [],
  async run({ paths, args }) {
    const [directory] = args;
    if (!directory) throw new VitrineError("USAGE", "no run");
    checkRun(paths, directory);
    const engine = await openEngine(paths);
    const { exitCode, journal, oom, undoTook, next } = await finishRun(engine, directory);
    const { record } = journal;
    if (oom && !tellOwner({ outOfMemory: oom })) {
      const limit = record.input.config.linux.resources.memory?.limit;
      const text =
        limit === undefined ? "the host ran out of memory" : `it reached its memory limit of ${formatBytes(limit)}`;
      printError(`vitrine: the kernel killed a process of ${record.identity.name}: ${text}\n`);
      for (const line of oom) printError(`  kernel: ${line}\n`);
    }
    if (record.timeline) {
      const { formatTimeline } = await import("../../explain/timeline.ts");
      const timed = { prepared: BigInt(record.prepared), layout: journal.layout, report: journal.report };
      printError(formatTimeline(timed, undoTook));
    }
    if (next) becomeNext(engine.stage.path, next);
    return exitCode;
  },
};

/** Of the command that started the container it needs nothing any more. */
function becomeNext(stage: string, directory: string): never {
  closeSync(2);
  openSync("/dev/null", "r+"); // the lowest number that is free
  becomeStage(stage, planFile(directory));
}
