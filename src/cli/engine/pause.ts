import { openEngine } from "../../engine/context.ts";
import { pauseContainer } from "../../engine/pause.ts";
import type { Command } from "../command.ts";
import { eachContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine pause CONTAINER…",
  summary: "Hold all processes of containers where they are",
  flags: [],
  async run({ paths, args }) {
    const engine = await openEngine(paths);
    return eachContainer(args, "pause", (name) => pauseContainer(engine, name));
  },
};
