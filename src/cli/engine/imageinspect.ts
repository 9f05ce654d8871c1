import { openEngine } from "../../engine/context.ts";
import { inspectImage } from "../../engine/imageinspect.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

export const command: Command = {
  usage: "vitrine image inspect [FLAGS] IMAGE…",
  summary: "All that is known of images, as JSON",
  flags: [{ name: "format", short: "f", kind: "string", value: "FORMAT", help: "json, or a template: {{.Id}}" }],
  async run(invocation) {
    if (invocation.args.length === 0)
      throw new VitrineError("USAGE", "no image", { hint: "vitrine image inspect IMAGE" });
    const engine = await openEngine(invocation.paths);
    const format = text(invocation, "format");
    const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
    const found: Record<string, unknown>[] = [];
    let status = 0;
    for (const name of invocation.args)
      try {
        found.push(inspectImage(engine, name));
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    if (template) for (const image of found) printOut(`${fill(template, image)}\n`);
    else printOut(`${JSON.stringify(found, undefined, format === "json" ? undefined : 4)}\n`);
    return status;
  },
};
