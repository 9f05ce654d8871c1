import { attachContainer } from "../../engine/attach.ts";
import { openEngine } from "../../engine/context.ts";
import { type Command, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { oneContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine attach [FLAGS] CONTAINER",
  summary: "Come back to a container that runs",
  flags: [
    { name: "detach-keys", kind: "string", value: "KEYS", help: "keys that leave it (ctrl-p,ctrl-q)" },
    { name: "no-stdin", kind: "bool", help: "standard input is not handed on" },
    { name: "sig-proxy", kind: "bool", help: "hand signals on; true if not given" },
  ],
  async run(invocation) {
    const name = oneContainer(invocation.args, "attach");
    const engine = await openEngine(invocation.paths);
    try {
      return await attachContainer(engine, name, {
        detachKeys: text(invocation, "detach-keys"),
        input: !truth(invocation, "no-stdin"),
        signals: invocation.flags.get("sig-proxy") !== false,
      });
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};
