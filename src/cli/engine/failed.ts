import { checkRun } from "../../container/runs.ts";
import { tellAttachFailure } from "../../engine/attachfailed.ts";
import { openEngine } from "../../engine/context.ts";
import { tellExecFailure } from "../../engine/execfailed.ts";
import { tellFailure } from "../../engine/failed.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { complainAs } from "../complain.ts";

export const command: Command = {
  usage: "vitrine failed RUN",
  summary: "Started by the stage: tells why a run failed",
  flags: [],
  async run({ paths, args }) {
    const [directory] = args;
    if (!directory) throw new VitrineError("USAGE", "no run");
    checkRun(paths, directory);
    const engine = await openEngine(paths);
    const ofExec = tellExecFailure(engine, directory);
    if (ofExec) return complainAs(ofExec, 1);
    const ofAttach = tellAttachFailure(directory);
    if (ofAttach) return complainAs(ofAttach, 1);
    throw tellFailure(engine, directory);
  },
};
