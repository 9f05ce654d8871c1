import { openEngine } from "../../engine/context.ts";
import { parseNetworkFilters } from "../../engine/network/filters.ts";
import { pruneNetworks } from "../../engine/network/networks.ts";
import { type Command, list, truth } from "../command.ts";
import { confirm } from "../confirm.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine network prune [FLAGS]",
  summary: "Remove networks that no container which runs is on",
  flags: [
    { name: "force", short: "f", kind: "bool", help: "do not ask" },
    { name: "filter", kind: "list", value: "NAME=VALUE", help: "until=24h, label=NAME[=VALUE], label!=NAME[=VALUE]" },
  ],
  async run(invocation) {
    const { wanted } = parseNetworkFilters(list(invocation, "filter"), ["until", "label"], Date.now());
    const warning = "WARNING! This will remove all networks that no container is on.";
    if (!truth(invocation, "force") && !confirm(warning)) return 0;
    const engine = await openEngine(invocation.paths);
    const names = await pruneNetworks(engine, (network) => wanted(network, false));
    if (names.length > 0) printOut(`Deleted Networks:\n${names.map((name) => `${name}\n`).join("")}`);
    return 0;
  },
};
