import { openEngine } from "../../engine/context.ts";
import { type CopyOptions, copyIn, copyOut } from "../../engine/copy/copy.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complainAs } from "../complain.ts";
import { decimalSize } from "../decimal.ts";
import { printError, writeBytes } from "../output.ts";
import { warn } from "../owner.ts";

export const command: Command = {
  usage: "vitrine cp [FLAGS] CONTAINER:PATH PATH|-    or    vitrine cp [FLAGS] PATH|- CONTAINER:PATH",
  summary: "Copy files into a container or out of it",
  flags: [
    {
      name: "archive",
      short: "a",
      kind: "bool",
      help: "into a container: all belongs to its user; out of it: owners are kept",
    },
    { name: "follow-link", short: "L", kind: "bool", help: "follow a link that is named" },
    { name: "quiet", short: "q", kind: "bool", help: "say nothing of what was copied" },
  ],
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.cp ?? [],
    told: "docs/guide/inside.md",
  },
  async run(invocation) {
    const [source = "", target = "", ...more] = invocation.args;
    try {
      if (invocation.args.length < 2 || more.length > 0)
        throw new VitrineError("USAGE", "vitrine cp takes what is copied and where it goes", {
          hint: "vitrine cp NAME:/etc/hosts . or vitrine cp file NAME:/tmp",
        });
      const [from, to] = [placeOf(source), placeOf(target)];
      const options: CopyOptions = {
        archive: truth(invocation, "archive"),
        followLink: truth(invocation, "follow-link"),
        warn,
      };
      if (from.container !== undefined && to.container !== undefined)
        throw new VitrineError("UNSUPPORTED", "copying between containers is not supported", {
          hint: `vitrine cp ${source} - | vitrine cp - ${target}`,
        });
      const engine = await openEngine(invocation.paths);
      if (from.container !== undefined && target === "-") {
        const { tarOut } = await import("../../engine/copy/tar.ts");
        for await (const piece of tarOut(engine, from.container, from.path, options)) if (!writeBytes(1, piece)) break;
        return 0;
      }
      if (to.container !== undefined && source === "-") {
        const { tarIn } = await import("../../engine/copy/tar.ts");
        await tarIn(engine, process.stdin, to.container, to.path, options);
        return 0;
      }
      const copied =
        from.container !== undefined
          ? await copyOut(engine, from.container, from.path, target, options)
          : to.container !== undefined
            ? await copyIn(engine, source, to.container, to.path, options)
            : undefined;
      if (!copied)
        throw new VitrineError("USAGE", "one of the two has to be a container's: NAME:PATH", {
          hint: "cp(1) copies on the host",
        });
      const { isTerminal } = await import("../../container/terminal.ts");
      if (!truth(invocation, "quiet") && isTerminal(1))
        printError(`Successfully copied ${decimalSize(copied.bytes)} to ${target}\n`);
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

/** "NAME:PATH"; a path that is absolute or begins with a dot is the host's, whatever is in it. */
function placeOf(argument: string): { container?: string; path: string } {
  const at = argument.indexOf(":");
  if (at < 0 || /^[/.]/.test(argument)) return { path: argument };
  return { container: argument.slice(0, at), path: argument.slice(at + 1) };
}
