import { openEngine } from "../../engine/context.ts";
import { type Removal, removeByName } from "../../engine/image/remove.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine rmi [FLAGS] IMAGE…",
  summary: "Remove images, or names of images",
  flags: [
    { name: "force", short: "f", kind: "bool", help: "all its names, also while a container that has ended uses it" },
    { name: "no-prune", kind: "bool", help: "nothing: images have no untagged parents here" },
  ],
  async run(invocation) {
    if (invocation.args.length === 0) throw new VitrineError("USAGE", "no image", { hint: "vitrine rmi IMAGE" });
    const engine = await openEngine(invocation.paths);
    let status = 0;
    for (const name of invocation.args) {
      try {
        for (const removal of await removeByName(engine, name, truth(invocation, "force"))) printOut(told(removal));
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    }
    return status;
  },
};

export function told(removal: Removal): string {
  return removal.kind === "untagged" ? `Untagged: ${removal.name}\n` : `Deleted: ${removal.digest}\n`;
}
