import { openEngine } from "../../engine/context.ts";
import { waitForContainer } from "../../engine/stop.ts";
import type { Command } from "../command.ts";
import { eachContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine wait CONTAINER…",
  summary: "Wait until containers have ended, and print their exit statuses",
  flags: [],
  async run(invocation) {
    const engine = await openEngine(invocation.paths);
    return eachContainer(invocation.args, "wait", async (name) => String(await waitForContainer(engine, name)));
  },
};
