import { startContainer } from "../../runtime/start.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Start the program of a created container",
  flags: [],
  least: 1,
  async run(i) {
    startContainer(await runtimeOf(i), i.args[0] ?? "");
    return 0;
  },
};
