import { readRunRecord } from "../../container/journal.ts";
import { openEngine } from "../../engine/context.ts";
import { forget } from "../../engine/network/connections.ts";
import { actualPorts } from "../../engine/network/networked.ts";
import { whichIn } from "../../plan/network/connections.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine network forget CONNECTIONS…",
  summary:
    "Started by a plan: connections that led to a container which has ended, or past one that begins, lead there no more",
  flags: [],
  async run({ paths, args }) {
    const portsOf = (run: string) => {
      const record = readRunRecord(run);
      return record ? actualPorts(run, record) : [];
    };
    forget(await openEngine(paths), whichIn(args, portsOf));
    return 0;
  },
};
