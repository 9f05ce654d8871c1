import { openEngine } from "../../engine/context.ts";
import { parseVolumeFilters } from "../../engine/volume/filters.ts";
import { pruneVolumes } from "../../engine/volume/volumes.ts";
import { type Command, list, truth } from "../command.ts";
import { confirm } from "../confirm.ts";
import { decimalSize } from "../decimal.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine volume prune [FLAGS]",
  summary: "Remove volumes without a name that no container has",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also those with a name" },
    { name: "force", short: "f", kind: "bool", help: "do not ask" },
    { name: "filter", kind: "list", value: "NAME=VALUE", help: "label=NAME[=VALUE], label!=NAME[=VALUE]" },
  ],
  async run(invocation) {
    const all = truth(invocation, "all");
    const { wanted } = parseVolumeFilters(list(invocation, "filter"), ["label"]);
    const what = all ? "all volumes" : "volumes without a name";
    if (!truth(invocation, "force") && !confirm(`WARNING! This will remove ${what} that no container has.`)) return 0;
    const engine = await openEngine(invocation.paths);
    const { names, reclaimed } = await pruneVolumes(engine, all, (volume) => wanted(volume, false));
    if (names.length > 0) printOut(`Deleted Volumes:\n${names.map((name) => `${name}\n`).join("")}\n`);
    printOut(`Total reclaimed space: ${decimalSize(reclaimed)}\n`);
    return 0;
  },
};
