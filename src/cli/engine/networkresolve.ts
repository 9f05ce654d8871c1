import { openEngine } from "../../engine/context.ts";
import { resolveNames } from "../../engine/network/resolverstart.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine network resolve",
  summary: "Started by the engine: answers for names of containers on networks, until nobody is on one",
  flags: [],
  async run({ paths }) {
    await resolveNames(await openEngine(paths));
    return 0;
  },
};
