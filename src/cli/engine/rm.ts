import { openEngine } from "../../engine/context.ts";
import { removeContainer } from "../../engine/rm.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { eachContainer, MANY } from "./each.ts";

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
    const engine = await openEngine(invocation.paths);
    const force = truth(invocation, "force");
    const volumes = truth(invocation, "volumes");
    const act = async (name: string) => {
      await removeContainer(engine, name, force, volumes);
      return name;
    };
    const forgives = (error: unknown) => force && error instanceof VitrineError && error.code === "NOT_FOUND";
    return eachContainer(invocation.args, "rm", act, { atOnce: MANY, forgives });
  },
};
