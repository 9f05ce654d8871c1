import { openEngine } from "../../engine/context.ts";
import { disconnectContainer, explainDisconnect } from "../../engine/network/disconnect.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, truth } from "../command.ts";
import { EXPLAIN_FLAG, explainForm, printOps } from "../explain.ts";

export const command: Command = {
  usage: "vitrine network disconnect [FLAGS] NETWORK CONTAINER",
  summary: "Take a container off a network: at once if it runs, and for its next starts",
  flags: [
    { name: "force", short: "f", kind: "bool", help: "also a container, or a network, that is not there any more" },
    EXPLAIN_FLAG,
  ],
  async run(invocation) {
    const [network, container, ...more] = invocation.args;
    if (network === undefined || container === undefined || more.length > 0)
      throw new VitrineError("USAGE", "vitrine network disconnect takes a network and a container");
    const engine = await openEngine(invocation.paths);
    const form = explainForm(invocation);
    if (form !== undefined) await printOps(form, await explainDisconnect(engine, network, container), "Namespaces");
    else await disconnectContainer(engine, network, container, truth(invocation, "force"));
    return 0;
  },
};
