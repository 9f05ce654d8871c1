import { openEngine } from "../../engine/context.ts";
import { parseVolumeFilters } from "../../engine/volume/filters.ts";
import { usersOfVolumes } from "../../engine/volume/users.ts";
import { listVolumes } from "../../engine/volume/volumes.ts";
import { type Command, list, text, truth } from "../command.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine volume ls [FLAGS]",
  summary: "List volumes",
  flags: [
    { name: "quiet", short: "q", kind: "bool", help: "only names" },
    { name: "filter", short: "f", kind: "list", value: "NAME=VALUE", help: "dangling=true, name=, label=, driver=" },
    { name: "format", kind: "string", value: "TEMPLATE", help: "table, json, or {{.Name}} {{.Mountpoint}}" },
  ],
  async run(invocation) {
    const engine = await openEngine(invocation.paths);
    const filters = parseVolumeFilters(list(invocation, "filter"), ["dangling", "name", "label", "driver"]);
    const users = filters.needsUsers ? await usersOfVolumes(engine) : undefined;
    const found = listVolumes(engine).filter((v) => filters.wanted(v, users?.has(v.mountpoint) ?? false));
    if (truth(invocation, "quiet") && text(invocation, "format") === undefined) {
      printOut(found.map(({ name }) => `${name}\n`).join(""));
      return 0;
    }
    const rows = found.map(({ name, mountpoint, labels }) => ({
      Driver: "local",
      Labels: Object.entries(labels)
        .map(([label, value]) => `${label}=${value}`)
        .join(","),
      Mountpoint: mountpoint,
      Name: name,
      Scope: "local",
      Links: "N/A",
      Size: "N/A",
      Availability: "N/A",
      Group: "N/A",
      Status: "N/A",
    }));
    const heads = { Driver: "DRIVER", Name: "VOLUME NAME" };
    printOut(listing({ rows, shown: ["Driver", "Name"], heads }, text(invocation, "format")));
    return 0;
  },
};
