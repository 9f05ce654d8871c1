import { openEngine } from "../../engine/context.ts";
import { unpauseContainer } from "../../engine/pause.ts";
import type { Command } from "../command.ts";
import { eachContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine unpause CONTAINER…",
  summary: "Let containers go on that are held",
  flags: [],
  async run({ paths, args }) {
    const engine = await openEngine(paths);
    return eachContainer(args, "unpause", (name) => unpauseContainer(engine, name));
  },
};
