import { setPaused } from "../../runtime/pause.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Hold all processes of a container",
  flags: [],
  least: 1,
  async run(i) {
    setPaused(await runtimeOf(i), i.args[0] ?? "", true);
    return 0;
  },
};
