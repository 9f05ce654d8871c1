import { checkRun } from "../../container/runs.ts";
import { failedExec, tellFailure } from "../../runtime/failed.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

/** As runc has it: told from a program's own 1. */
const EXEC_FAILED = 255;

export const command: OciCommand = {
  usage: "RUN",
  summary: "Started by the stage: tells why something failed",
  flags: [],
  least: 1,
  async run(i) {
    const [directory = ""] = i.args;
    const runtime = await runtimeOf(i);
    checkRun(runtime.engine.paths, directory);
    const status = failedExec(directory) ? EXEC_FAILED : 1;
    i.log.complain(tellFailure(runtime, directory));
    return status;
  },
};
