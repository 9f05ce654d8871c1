import { openEngine } from "../../engine/context.ts";
import { parseNetworkFilters } from "../../engine/network/filters.ts";
import { allNetworks } from "../../engine/network/networks.ts";
import { liveEndpoints } from "../../network/endpoints.ts";
import { type Command, list, text, truth } from "../command.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const FILTERS = ["dangling", "driver", "id", "label", "name", "scope", "type"];

export const command: Command = {
  usage: "vitrine network ls [FLAGS]",
  summary: "List networks",
  flags: [
    { name: "quiet", short: "q", kind: "bool", help: "only ids" },
    { name: "no-trunc", kind: "bool", help: "whole ids" },
    {
      name: "filter",
      short: "f",
      kind: "list",
      value: "NAME=VALUE",
      help: "dangling=true, type=custom, name=, id=, driver=, label=",
    },
    { name: "format", kind: "string", value: "TEMPLATE", help: "table, json, or {{.Name}} {{.ID}}" },
  ],
  async run(invocation) {
    const engine = await openEngine(invocation.paths);
    const filters = parseNetworkFilters(list(invocation, "filter"), FILTERS, Date.now());
    const used = (name: string) => filters.needsUsers && liveEndpoints(engine.paths, name).length > 0;
    const found = (await allNetworks(engine)).filter((network) => filters.wanted(network, used(network.name)));
    const shortened = (id: string) => (truth(invocation, "no-trunc") ? id : id.slice(0, 12));
    if (truth(invocation, "quiet") && text(invocation, "format") === undefined) {
      printOut(found.map(({ id }) => `${shortened(id)}\n`).join(""));
      return 0;
    }
    const rows = found.map(({ id, name, driver, v6, internal, labels, created }) => ({
      CreatedAt: new Date(created).toISOString(),
      Driver: driver,
      ID: shortened(id),
      IPv4: "true",
      IPv6: String(v6 !== undefined),
      Internal: String(internal),
      Labels: Object.entries(labels)
        .map(([label, value]) => `${label}=${value}`)
        .join(","),
      Name: name,
      Scope: "local",
    }));
    const heads = { ID: "NETWORK ID", Name: "NAME", Driver: "DRIVER", Scope: "SCOPE" };
    printOut(listing({ rows, shown: ["ID", "Name", "Driver", "Scope"], heads }, text(invocation, "format")));
    return 0;
  },
};
