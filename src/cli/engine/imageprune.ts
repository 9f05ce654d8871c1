import { openEngine } from "../../engine/context.ts";
import { parseFilters } from "../../engine/image/filters.ts";
import { pruneImages } from "../../engine/image/prune.ts";
import type { Removal } from "../../engine/image/remove.ts";
import { type Command, list, truth } from "../command.ts";
import { confirm } from "../confirm.ts";
import { decimalSize } from "../decimal.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine image prune [FLAGS]",
  summary: "Remove images without a name, and what is left of fetches that were broken off",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also those with names, if no container uses them" },
    { name: "force", short: "f", kind: "bool", help: "do not ask" },
    { name: "filter", kind: "list", value: "NAME=VALUE", help: "until=24h, label=, label!=" },
  ],
  async run(invocation) {
    const all = truth(invocation, "all");
    const filters = parseFilters(list(invocation, "filter"), ["until", "label"], Date.now());
    const what = all ? "all images that no container uses" : "all images without a name";
    if (!truth(invocation, "force") && !confirm(`WARNING! This will remove ${what}.`)) return 0;
    const { removals, reclaimed } = await pruneImages(await openEngine(invocation.paths), all, filters);
    printOut(`${deletedImages(removals)}Total reclaimed space: ${decimalSize(reclaimed)}\n`);
    return 0;
  },
};

/** Docker's words. Nothing if nothing was. */
export function deletedImages(removals: readonly Removal[]): string {
  if (removals.length === 0) return "";
  const lines = removals.map((r) => (r.kind === "untagged" ? `untagged: ${r.name}\n` : `deleted: ${r.digest}\n`));
  return `Deleted Images:\n${lines.join("")}\n`;
}
