import { openEngine } from "../../engine/context.ts";
import { restartContainer } from "../../engine/restart.ts";
import { type Command, text } from "../command.ts";
import { eachContainer, MANY } from "./each.ts";
import { signalOf, wholeSeconds } from "./signals.ts";

export const command: Command = {
  usage: "vitrine restart [FLAGS] CONTAINER…",
  summary: "End containers if they run, and start them again",
  flags: [
    { name: "time", short: "t", kind: "string", value: "SECONDS", help: "how long the end may take; -1 for ever" },
    { name: "timeout", kind: "string", value: "SECONDS", help: "the same as --time" },
    { name: "signal", short: "s", kind: "string", value: "SIGNAL", help: "another signal" },
  ],
  async run(invocation) {
    const seconds = wholeSeconds(text(invocation, "time") ?? text(invocation, "timeout"), "--time");
    const signal = signalOf(text(invocation, "signal"));
    const engine = await openEngine(invocation.paths);
    return eachContainer(invocation.args, "restart", (name) => restartContainer(engine, name, { seconds, signal }), {
      atOnce: MANY,
    });
  },
};
