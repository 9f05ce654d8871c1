import { openEngine } from "../../engine/context.ts";
import { renameContainer } from "../../engine/rename.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine rename CONTAINER NEW_NAME",
  summary: "Give a container another name",
  flags: [],
  async run({ paths, args }) {
    const [from, to, ...more] = args;
    if (from === undefined || to === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine rename takes a container and its new name");
    await renameContainer(await openEngine(paths), from, to);
    return 0;
  },
};
