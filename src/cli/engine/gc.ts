import { openEngine } from "../../engine/context.ts";
import { collectThoroughly } from "../../engine/gc.ts";
import type { Command } from "../command.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine gc",
  summary: "Clean up after commands that were killed (every command does, in passing)",
  flags: [],
  async run({ paths }) {
    const { done } = await collectThoroughly(await openEngine(paths));
    if (done > 0) printOut(`cleaned up ${done}\n`);
    return 0;
  },
};
