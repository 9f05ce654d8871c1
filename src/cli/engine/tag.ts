import { openEngine } from "../../engine/context.ts";
import { tagImage } from "../../engine/image/tag.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine tag IMAGE NAME[:TAG]",
  summary: "Give an image one more name",
  flags: [],
  async run({ paths, args }) {
    const [source, target, ...more] = args;
    if (source === undefined || target === undefined || more.length > 0)
      throw new VitrineError("USAGE", "an image and its new name are needed", { hint: "vitrine tag IMAGE NAME[:TAG]" });
    await tagImage(await openEngine(paths), source, target);
    return 0;
  },
};
