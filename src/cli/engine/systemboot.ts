import { bootContainers } from "../../engine/boot.ts";
import { openEngine } from "../../engine/context.ts";
import type { Command } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine system boot",
  summary: "Start the containers that are to run when the host does (--restart always, unless-stopped)",
  flags: [],
  async run({ paths }) {
    const { started, failed } = await bootContainers(await openEngine(paths));
    printOut(started.map((name) => `${name}\n`).join(""));
    for (const { error } of failed) complain(error, false);
    return failed.length > 0 ? 1 : 0;
  },
};
