import { pruneContainers } from "../../engine/containerprune.ts";
import { openEngine } from "../../engine/context.ts";
import { parseFilters } from "../../engine/image/filters.ts";
import { type Command, list, truth } from "../command.ts";
import { confirm } from "../confirm.ts";
import { decimalSize } from "../decimal.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine container prune [FLAGS]",
  summary: "Remove all containers that do not run",
  flags: [
    { name: "force", short: "f", kind: "bool", help: "do not ask" },
    { name: "filter", kind: "list", value: "NAME=VALUE", help: "until=24h, label=NAME[=VALUE], label!=NAME[=VALUE]" },
  ],
  async run(invocation) {
    const filters = parseFilters(list(invocation, "filter"), ["until", "label"], Date.now());
    const warning = "WARNING! This will remove all stopped containers.";
    if (!truth(invocation, "force") && !confirm(warning)) return 0;
    const { ids, reclaimed } = await pruneContainers(await openEngine(invocation.paths), filters);
    if (ids.length > 0) printOut(`Deleted Containers:\n${ids.map((id) => `${id}\n`).join("")}\n`);
    printOut(`Total reclaimed space: ${decimalSize(reclaimed)}\n`);
    return 0;
  },
};
