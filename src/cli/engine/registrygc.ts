import { resolve } from "node:path";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { printOut } from "../output.ts";

const HOURS = "24";

export const command: Command = {
  usage: "vitrine registry gc --data DIR [FLAGS]",
  summary: "Free what no manifest in a registry needs, while no server works on it",
  flags: [
    { name: "data", kind: "string", value: "DIR", help: "the registry's directory" },
    { name: "grace", kind: "string", value: "HOURS", help: `leave what is younger (${HOURS})` },
  ],
  async run(invocation) {
    const data = text(invocation, "data");
    if (!data || invocation.args.length > 0)
      throw new VitrineError("USAGE", "vitrine registry gc takes --data DIR and no arguments");
    const hours = text(invocation, "grace") ?? HOURS;
    if (!/^\d{1,6}$/.test(hours)) throw new VitrineError("USAGE", `--grace "${hours}": not a number of hours`);
    const { collectRegistry } = await import("../../image/server/collect.ts");
    const { uploads, links, blobs, bytes } = await collectRegistry(resolve(data), Number(hours) * 3600_000);
    printOut(`removed: ${blobs} blobs (${bytes} bytes), ${links} links of repositories, ${uploads} uploads\n`);
    return 0;
  },
};
