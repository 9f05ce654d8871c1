import { openEngine } from "../../engine/context.ts";
import { inspectNetwork } from "../../engine/networkinspect.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

export const command: Command = {
  usage: "vitrine network inspect [FLAGS] NETWORK…",
  summary: "Tell all about networks, and who is on them, as JSON",
  flags: [
    {
      name: "format",
      short: "f",
      kind: "string",
      value: "TEMPLATE",
      help: "json, or {{range .IPAM.Config}}{{.Subnet}}{{end}}",
    },
    { name: "verbose", short: "v", kind: "bool", help: "taken: there is no more to tell" },
  ],
  async run(invocation) {
    const { args } = invocation;
    if (args.length === 0) throw new VitrineError("USAGE", "no network", { hint: "vitrine network inspect NAME" });
    const format = text(invocation, "format");
    const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
    const engine = await openEngine(invocation.paths);
    const found: object[] = [];
    let status = 0;
    for (const name of args)
      try {
        found.push(await inspectNetwork(engine, name));
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    if (template) for (const network of found) printOut(`${fill(template, network)}\n`);
    else printOut(`${JSON.stringify(found, undefined, format === "json" ? undefined : 4)}\n`);
    return status;
  },
};
