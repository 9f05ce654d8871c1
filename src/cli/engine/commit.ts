import { commitContainer } from "../../engine/commit.ts";
import { openEngine } from "../../engine/context.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { parseRegistryName, wholeName } from "../../image/registryname.ts";
import { type Command, list, text, truth } from "../command.ts";
import { complainAs } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine commit [FLAGS] CONTAINER [NAME[:TAG]]",
  summary: "Make an image of what a container has written",
  flags: [
    { name: "author", short: "a", kind: "string", value: "TEXT", help: "who made it" },
    {
      name: "change",
      short: "c",
      kind: "list",
      value: "INSTRUCTION",
      help: 'change its config: "ENV A=b", "CMD [\\"sh\\"]", …',
    },
    { name: "message", short: "m", kind: "string", value: "TEXT", help: "comment in its history" },
    { name: "pause", short: "p", kind: "bool", help: "hold the container meanwhile; true if not given" },
    { name: "no-pause", kind: "bool", help: "do not" },
  ],
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.commit ?? [],
    told: "docs/guide/inside.md",
  },
  async run(invocation) {
    const [container, name, more] = invocation.args;
    try {
      if (container === undefined || more !== undefined)
        throw new VitrineError("USAGE", "vitrine commit takes a container and a name", {
          hint: "vitrine commit CONTAINER NAME:TAG",
        });
      const request = {
        author: text(invocation, "author"),
        message: text(invocation, "message"),
        changes: list(invocation, "change"),
        pause: invocation.flags.get("pause") !== false && !truth(invocation, "no-pause"),
        name: name === undefined ? undefined : nameOf(name),
      };
      const image = await commitContainer(await openEngine(invocation.paths), container, request);
      printOut(`sha256:${image.id}\n`);
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

function nameOf(text: string): string {
  const reference = parseRegistryName(text);
  if (reference.digest !== undefined)
    throw invalid(`image "${text}": a digest is not given, it follows`, "write NAME or NAME:TAG");
  return wholeName(reference);
}
