import { haltContainers } from "../../engine/boot.ts";
import { openEngine } from "../../engine/context.ts";
import { type Command, text } from "../command.ts";
import { printOut } from "../output.ts";
import { wholeSeconds } from "./signals.ts";

export const command: Command = {
  usage: "vitrine system halt [FLAGS]",
  summary: "End all containers; no policy starts one until system boot, which has them run again",
  flags: [{ name: "time", short: "t", kind: "string", value: "SECONDS", help: "how long each may take; -1 for ever" }],
  async run(invocation) {
    const seconds = wholeSeconds(text(invocation, "time"), "--time");
    const names = await haltContainers(await openEngine(invocation.paths), seconds);
    printOut(names.map((name) => `${name}\n`).join(""));
    return 0;
  },
};
