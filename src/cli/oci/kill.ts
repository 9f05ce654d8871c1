import { killContainer } from "../../runtime/kill.ts";
import { type OciCommand, runtimeOf, truth } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER [SIGNAL]",
  summary: "Send a signal (TERM) to the first process of a container",
  flags: [{ name: "all", short: "a", kind: "bool", help: "to every process of it" }],
  least: 1,
  most: 2,
  async run(i) {
    killContainer(await runtimeOf(i), i.args[0] ?? "", i.args[1] ?? "TERM", truth(i, "all"));
    return 0;
  },
};
