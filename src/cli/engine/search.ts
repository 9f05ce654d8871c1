import { type SearchFilters, searchImages } from "../../engine/image/search.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { type Command, list, text, truth } from "../command.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const HEADS = { Name: "NAME", Description: "DESCRIPTION", StarCount: "STARS", IsOfficial: "OFFICIAL" };
const LONGEST_DESCRIPTION = 45;
const MOST = 100;

export const command: Command = {
  usage: "vitrine search [FLAGS] [HOST/]TERM",
  summary: "Look for images at a registry (Docker Hub if none is named)",
  flags: [
    { name: "limit", kind: "string", value: "N", help: "at most so many; 25 if not given" },
    { name: "filter", short: "f", kind: "list", value: "NAME=VALUE", help: "stars=N, is-official=true" },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.Name}}" },
    { name: "no-trunc", kind: "bool", help: "whole descriptions" },
  ],
  async run(invocation) {
    const [term, more] = invocation.args;
    if (term === undefined || more !== undefined)
      throw new VitrineError("USAGE", "one word is needed", { hint: "vitrine search [HOST/]TERM" });
    const limit = whole(text(invocation, "limit") ?? "25", "--limit");
    if (limit < 1 || limit > MOST) throw invalid(`--limit ${limit}: not between 1 and ${MOST}`);
    const found = await searchImages(term, limit, filtersOf(list(invocation, "filter")));
    const rows = found.map(({ name, description, stars, official }) => ({
      Name: name,
      Description: truth(invocation, "no-trunc") ? description : shortened(description),
      StarCount: String(stars),
      IsOfficial: official ? "[OK]" : "",
    }));
    const shown = ["Name", "Description", "StarCount", "IsOfficial"] as const;
    printOut(listing({ rows, shown, heads: HEADS }, text(invocation, "format")));
    return 0;
  },
};

function filtersOf(texts: readonly string[]): SearchFilters {
  let filters: SearchFilters = { stars: 0 };
  for (const filter of texts) {
    const at = filter.indexOf("=");
    const name = at < 0 ? filter : filter.slice(0, at);
    const value = filter.slice(at + 1);
    if (name === "stars" && at > 0) filters = { ...filters, stars: whole(value, "--filter stars") };
    else if (name === "is-official" && (value === "true" || value === "false"))
      filters = { ...filters, official: value === "true" };
    else throw invalid(`--filter "${filter}": not known`, "stars=N, is-official=true|false");
  }
  return filters;
}

function whole(value: string, what: string): number {
  if (!/^\d{1,9}$/.test(value)) throw invalid(`${what} "${value}": not a number`);
  return Number(value);
}

function shortened(description: string): string {
  const letters = [...description];
  return letters.length > LONGEST_DESCRIPTION ? `${letters.slice(0, LONGEST_DESCRIPTION - 1).join("")}…` : description;
}
