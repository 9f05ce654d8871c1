import { openEngine } from "../../engine/context.ts";
import { removeContainer } from "../../engine/rm.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine rm [FLAGS] CONTAINER…",
  summary: "Remove containers",
  flags: [{ name: "force", short: "f", kind: "bool", help: "end it first if it is running" }],
  async run(invocation) {
    if (invocation.args.length === 0) throw new VitrineError("USAGE", "no container", { hint: "vitrine rm NAME" });
    const engine = await openEngine(invocation.paths);
    let status = 0;
    for (const name of invocation.args) {
      try {
        await removeContainer(engine, name, truth(invocation, "force"));
        printOut(`${name}\n`);
      } catch (error) {
        complain(error, false);
        status = 1;
      }
    }
    return status;
  },
};
