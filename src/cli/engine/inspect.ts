import { openEngine } from "../../engine/context.ts";
import { inspectAny, KINDS } from "../../engine/inspectany.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { type Command, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

const FLAGS = [
  { name: "format", short: "f", kind: "string", value: "FORMAT", help: "json, or a template: {{.State.Status}}" },
  { name: "size", short: "s", kind: "bool", help: "of containers: also how much they wrote" },
] as const;

export const command: Command = inspecting("vitrine inspect [FLAGS] NAME…", undefined);
export const ofContainers: Command = inspecting("vitrine container inspect [FLAGS] CONTAINER…", "container");

function inspecting(usage: string, only: string | undefined): Command {
  const type = { name: "type", kind: "string", value: KINDS.join("|"), help: "only what is that" } as const;
  return {
    usage,
    summary: only
      ? "All that is known of containers, as JSON"
      : "All that is known of containers, images and the like, as JSON",
    flags: only ? FLAGS : [...FLAGS, type],
    async run(invocation) {
      const { args, paths } = invocation;
      if (args.length === 0) throw new VitrineError("USAGE", "nothing to inspect", { hint: "vitrine inspect NAME" });
      const kind = only ?? text(invocation, "type") ?? "";
      if (kind !== "" && !KINDS.includes(kind)) throw invalid(`--type "${kind}": is none`, KINDS.join(", "));
      const format = text(invocation, "format");
      const template = format === undefined || format === "json" ? undefined : parseTemplate(format);
      const engine = await openEngine(paths);
      const found: Record<string, unknown>[] = [];
      let status = 0;
      for (const name of args)
        try {
          const one = await inspectAny(engine, name, kind, truth(invocation, "size"));
          if (template) printOut(`${fill(template, one)}\n`);
          found.push(one);
        } catch (error) {
          complain(error, false);
          status = 1;
        }
      if (!template) printOut(`${JSON.stringify(found, undefined, format === "json" ? undefined : 4)}\n`);
      return status;
    },
  };
}
