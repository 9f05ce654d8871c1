import { isContainerId } from "../../container/identity.ts";
import { planFile } from "../../container/runs.ts";
import { openEngine } from "../../engine/context.ts";
import { prepareAgain } from "../../engine/restarting.ts";
import { VitrineError } from "../../errors.ts";
import { becomeStage } from "../../stage/become.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine again ID [FILES]",
  summary: "Started by a command that finds a monitor killed: what the container's restart policy says",
  flags: [],
  async run({ paths, args }) {
    const [id = "", files] = args;
    if (!isContainerId(id)) throw new VitrineError("USAGE", `"${id}" is not the id of a container`);
    const engine = await openEngine(paths);
    const next = await prepareAgain(engine, id, files === undefined ? undefined : Number(files));
    if (next !== undefined) becomeStage(engine.stage.path, planFile(next));
    return 0;
  },
};
