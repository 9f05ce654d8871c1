import { openEngine } from "../../engine/context.ts";
import { CONDITIONS, waitForContainer } from "../../engine/stop.ts";
import { invalid } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { eachContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine wait [FLAGS] CONTAINER…",
  summary: "Wait until containers have ended, and print their exit statuses",
  flags: [
    {
      name: "condition",
      kind: "string",
      value: "CONDITION",
      help: `${CONDITIONS.join(", ")}; not-running if not given`,
    },
  ],
  async run(invocation) {
    const asked = text(invocation, "condition") ?? "not-running";
    const condition = CONDITIONS.find((known) => known === asked);
    if (!condition) throw invalid(`--condition "${asked}": is none`, CONDITIONS.join(", "));
    const engine = await openEngine(invocation.paths);
    return eachContainer(invocation.args, "wait", async (name) =>
      String(await waitForContainer(engine, name, condition)),
    );
  },
};
