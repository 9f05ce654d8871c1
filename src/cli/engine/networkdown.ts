import { openEngine } from "../../engine/context.ts";
import { takeNetworkDown } from "../../engine/network/takedown.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";

export const command: Command = {
  usage: "vitrine network down NETWORK…",
  summary:
    "Take bridges and firewall rules of networks away; the networks stay, and the next container sets them up again",
  flags: [],
  async run(invocation) {
    if (invocation.args.length === 0) throw new VitrineError("USAGE", "vitrine network down takes a network");
    const engine = await openEngine(invocation.paths);
    for (const name of invocation.args) await takeNetworkDown(engine, name);
    return 0;
  },
};
