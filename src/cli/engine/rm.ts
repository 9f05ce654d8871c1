import { openEngine } from "../../engine/context.ts";
import { removeContainer } from "../../engine/rm.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine rm [FLAGS] CONTAINER…",
  summary: "Remove containers",
  flags: [
    {
      name: "force",
      short: "f",
      kind: "bool",
      help: "end it first if it is running; one that is not there is no error",
    },
    { name: "volumes", short: "v", kind: "bool", help: "also its volumes that have no name" },
  ],
  refused: {
    load: async () => [
      {
        name: "link",
        short: "l",
        kind: "bool",
        why: "there are no links between containers",
        instead: "containers share namespaces: --network container:NAME",
        same: ["false"],
      },
    ],
    told: "--link of docker's is refused: there are no links between containers.",
  },
  async run(invocation) {
    if (invocation.args.length === 0) throw new VitrineError("USAGE", "no container", { hint: "vitrine rm NAME" });
    const engine = await openEngine(invocation.paths);
    const force = truth(invocation, "force");
    let status = 0;
    for (const name of invocation.args) {
      try {
        await removeContainer(engine, name, force, truth(invocation, "volumes"));
        printOut(`${name}\n`);
      } catch (error) {
        complain(error, false);
        if (!(force && error instanceof VitrineError && error.code === "NOT_FOUND")) status = 1;
      }
    }
    return status;
  },
};
