import { invalid } from "../../errors.ts";
import { processIds, processTable } from "../../runtime/ps.ts";
import { printOut } from "../output.ts";
import { type OciCommand, runtimeOf, text } from "./command.ts";

export const command: OciCommand = {
  usage: "CONTAINER [PS OPTIONS]",
  summary: "Show the processes of a container",
  flags: [{ name: "format", short: "f", kind: "string", value: "FORMAT", help: "table or json" }],
  least: 1,
  most: Number.MAX_SAFE_INTEGER,
  stopAtArgument: true,
  async run(i) {
    const [id = "", ...args] = i.args;
    const format = text(i, "format") ?? "table";
    const runtime = await runtimeOf(i);
    if (format === "json") printOut(`${JSON.stringify(processIds(runtime, id))}\n`);
    else if (format === "table") printOut(`${processTable(runtime, id, args).join("\n")}\n`);
    else throw invalid(`--format "${format}": neither table nor json`);
    return 0;
  },
};
