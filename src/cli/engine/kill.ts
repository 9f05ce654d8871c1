import { openEngine } from "../../engine/context.ts";
import { killContainer } from "../../engine/stop.ts";
import { SIGKILL } from "../../linux/constants.ts";
import { type Command, text } from "../command.ts";
import { eachContainer } from "./each.ts";
import { signalOf } from "./signals.ts";

export const command: Command = {
  usage: "vitrine kill [FLAGS] CONTAINER…",
  summary: "Send a signal to containers",
  flags: [{ name: "signal", short: "s", kind: "string", value: "SIGNAL", help: "another one than SIGKILL" }],
  async run(invocation) {
    const signal = signalOf(text(invocation, "signal")) ?? SIGKILL;
    const engine = await openEngine(invocation.paths);
    return eachContainer(invocation.args, "kill", (name) => killContainer(engine, name, signal));
  },
};
