import { type ContainerFilters, containerFilters } from "../../engine/containerfilters.ts";
import { type Engine, openEngine } from "../../engine/context.ts";
import { type Listed, listAll } from "../../engine/ps.ts";
import { VitrineError } from "../../errors.ts";
import { parseWhole } from "../../spec/sizes.ts";
import { type Command, type Invocation, list, text, truth } from "../command.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";
import { HEADS, type Manner, rowOf, shortId } from "./containerrow.ts";

export const command: Command = {
  usage: "vitrine ps [FLAGS]",
  summary: "List containers",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also those that do not run" },
    { name: "last", short: "n", kind: "string", value: "N", help: "the last N that were created, whatever they do" },
    { name: "latest", short: "l", kind: "bool", help: "the last one that was created" },
    { name: "quiet", short: "q", kind: "bool", help: "only ids" },
    { name: "size", short: "s", kind: "bool", help: "also how much they wrote" },
    { name: "no-trunc", kind: "bool", help: "whole ids and commands" },
    {
      name: "filter",
      short: "f",
      kind: "list",
      value: "NAME=VALUE",
      help: "id= name= label= status= health= exited= ancestor= before= since= volume= network=",
    },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.Names}}" },
    { name: "json", kind: "bool", help: "as JSON, with all that is noted" },
  ],
  async run(invocation) {
    if (invocation.args.length > 0)
      throw new VitrineError("USAGE", "ps takes no arguments", { hint: "vitrine ps --filter name=NAME" });
    const engine = await openEngine(invocation.paths);
    const rows = await chosen(engine, invocation);
    const whole = truth(invocation, "no-trunc");
    const format = text(invocation, "format");
    if (truth(invocation, "json")) {
      const containers = rows.map(({ container: { options: _, source: __, before: ___, ...container } }) => container);
      printOut(`${JSON.stringify(containers, undefined, 2)}\n`);
    } else if (truth(invocation, "quiet") && format === undefined)
      printOut(rows.map(({ container }) => `${shortId(container, whole)}\n`).join(""));
    else {
      const size = truth(invocation, "size");
      const manner: Manner = { whole, size: size || (format ?? "").includes(".Size"), now: Date.now() };
      const shown = ["ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names"] as const;
      const cells = rows.map((listed) => rowOf(engine, listed, manner));
      printOut(listing({ rows: cells, shown: [...shown, ...(size ? (["Size"] as const) : [])], heads: HEADS }, format));
    }
    return 0;
  },
};

async function chosen(engine: Engine, invocation: Invocation): Promise<Listed[]> {
  const last = truth(invocation, "latest") ? 1 : lastOf(text(invocation, "last"));
  const texts = list(invocation, "filter");
  const all = truth(invocation, "all") || last > 0 || texts.length > 0;
  const listed = await listAll(engine, all);
  const filters: ContainerFilters =
    texts.length > 0 ? containerFilters(engine, texts, listed) : { matches: () => true, all: false };
  const alsoStopped = truth(invocation, "all") || last > 0 || filters.all;
  const found = listed.filter((item) => (alsoStopped || item.record) && filters.matches(item));
  return last > 0 ? found.slice(0, last) : found;
}

/** 0 and -1: all of them, as for docker. */
function lastOf(asked: string | undefined): number {
  return asked === undefined ? 0 : Math.max(0, parseWhole(asked, "--last", -1, 1_000_000_000));
}
