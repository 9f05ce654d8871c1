import { setPaused } from "../../runtime/pause.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Let the processes of a paused container go on",
  flags: [],
  least: 1,
  async run(i) {
    setPaused(await runtimeOf(i), i.args[0] ?? "", false);
    return 0;
  },
};
