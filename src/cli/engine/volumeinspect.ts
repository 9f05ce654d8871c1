import { openEngine } from "../../engine/context.ts";
import { volumeDocument } from "../../engine/volumedocument.ts";
import { findVolume } from "../../engine/volumes.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

export const command: Command = {
  usage: "vitrine volume inspect [FLAGS] VOLUME…",
  summary: "Tell all about volumes, as JSON",
  flags: [{ name: "format", short: "f", kind: "string", value: "TEMPLATE", help: "json, or {{.Mountpoint}}" }],
  async run(invocation) {
    const { args } = invocation;
    if (args.length === 0) throw new VitrineError("USAGE", "no volume", { hint: "vitrine volume inspect NAME" });
    const format = text(invocation, "format");
    const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
    const engine = await openEngine(invocation.paths);
    const found: object[] = [];
    let status = 0;
    for (const name of args)
      try {
        found.push(volumeDocument(findVolume(engine, name)));
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    if (template) for (const volume of found) printOut(`${fill(template, volume)}\n`);
    else if (format === "json") for (const volume of found) printOut(`${JSON.stringify(volume)}\n`);
    else printOut(`${JSON.stringify(found, undefined, 4)}\n`);
    return status;
  },
};
