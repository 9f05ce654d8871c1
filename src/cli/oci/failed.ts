import { tellFailure } from "../../runtime/failed.ts";
import { type OciCommand, runtimeOf } from "./command.ts";

export const command: OciCommand = {
  usage: "RUN",
  summary: "Started by the stage: tells why something failed",
  flags: [],
  least: 1,
  async run(i) {
    throw tellFailure(await runtimeOf(i), i.args[0] ?? "");
  },
};
