import { openEngine } from "../../engine/context.ts";
import { stopContainer } from "../../engine/stop.ts";
import { type Command, text } from "../command.ts";
import { eachContainer, MANY } from "./each.ts";
import { signalOf, wholeSeconds } from "./signals.ts";

export const command: Command = {
  usage: "vitrine stop [FLAGS] CONTAINER…",
  summary: "End containers: their stop signal, and SIGKILL after a while",
  flags: [
    { name: "time", short: "t", kind: "string", value: "SECONDS", help: "how long it may take; -1 for ever" },
    { name: "timeout", kind: "string", value: "SECONDS", help: "the same as --time" },
    { name: "signal", short: "s", kind: "string", value: "SIGNAL", help: "another signal" },
  ],
  async run(invocation) {
    const seconds = wholeSeconds(text(invocation, "time") ?? text(invocation, "timeout"), "--time");
    const signal = signalOf(text(invocation, "signal"));
    const engine = await openEngine(invocation.paths);
    return eachContainer(invocation.args, "stop", (name) => stopContainer(engine, name, { seconds, signal }), {
      atOnce: MANY,
    });
  },
};
