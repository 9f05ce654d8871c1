import { checkRun } from "../../container/runs.ts";
import { openEngine } from "../../engine/context.ts";
import { lookAtHealth } from "../../engine/health.ts";
import { VitrineError } from "../../errors.ts";
import { becomeStage } from "../../stage/become.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine health RUN",
  summary: "Started by the stage: looks at a container's health, and waits for the next time",
  flags: [],
  async run({ paths, args }) {
    const [directory] = args;
    if (!directory) throw new VitrineError("USAGE", "no run");
    checkRun(paths, directory);
    const engine = await openEngine(paths);
    const next = await lookAtHealth(engine, directory);
    if (next === undefined) return 0;
    becomeStage(engine.stage.path, next);
  },
};
