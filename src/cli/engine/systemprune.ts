import { openEngine } from "../../engine/context.ts";
import { parseFilters } from "../../engine/image/filters.ts";
import { pruneSystem } from "../../engine/systemprune.ts";
import { type Command, list, truth } from "../command.ts";
import { confirm } from "../confirm.ts";
import { decimalSize } from "../decimal.ts";
import { printOut } from "../output.ts";
import { deletedImages } from "./imageprune.ts";

export const command: Command = {
  usage: "vitrine system prune [FLAGS]",
  summary: "Remove containers that have ended, networks and images that nobody uses",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also images with names, if no container uses them" },
    { name: "force", short: "f", kind: "bool", help: "do not ask" },
    { name: "volumes", kind: "bool", help: "also volumes without a name that no container has" },
    { name: "filter", kind: "list", value: "NAME=VALUE", help: "until=24h" },
  ],
  async run(invocation) {
    const all = truth(invocation, "all");
    const filters = parseFilters(list(invocation, "filter"), ["until"], Date.now());
    const what = all ? "all images that no container uses" : "all images without a name";
    const volumes = truth(invocation, "volumes");
    const more = volumes ? "  - all volumes without a name that no container has\n" : "";
    const warning = `WARNING! This will remove:\n  - all containers that have ended\n  - all networks that no container is on\n${more}  - ${what}\n  - what is left of fetches that were broken off\n  - packages of distributions that were fetched for images\n`;
    if (!truth(invocation, "force") && !confirm(warning)) return 0;
    const engine = await openEngine(invocation.paths);
    const pruned = await pruneSystem(engine, all, filters, volumes);
    const { containers, networks, volumes: names, removals, reclaimed } = pruned;
    if (containers.length > 0) printOut(`Deleted Containers:\n${containers.map((id) => `${id}\n`).join("")}\n`);
    if (networks.length > 0) printOut(`Deleted Networks:\n${networks.map((name) => `${name}\n`).join("")}\n`);
    if (names.length > 0) printOut(`Deleted Volumes:\n${names.map((name) => `${name}\n`).join("")}\n`);
    printOut(`${deletedImages(removals)}Total reclaimed space: ${decimalSize(reclaimed)}\n`);
    return 0;
  },
};
