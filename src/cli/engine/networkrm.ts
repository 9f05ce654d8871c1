import { openEngine } from "../../engine/context.ts";
import { removeNetwork } from "../../engine/networks.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine network rm [FLAGS] NETWORK…",
  summary: "Remove networks that no container which runs is on",
  flags: [{ name: "force", short: "f", kind: "bool", help: "one that is not there is no error" }],
  async run(invocation) {
    if (invocation.args.length === 0)
      throw new VitrineError("USAGE", "no network", { hint: "vitrine network rm NAME" });
    const engine = await openEngine(invocation.paths);
    const force = truth(invocation, "force");
    let status = 0;
    for (const name of invocation.args)
      try {
        await removeNetwork(engine, name);
        printOut(`${name}\n`);
      } catch (error) {
        if (force && error instanceof VitrineError && error.code === "NOT_FOUND") continue;
        complain(error, false);
        status = 1;
      }
    return status;
  },
};
