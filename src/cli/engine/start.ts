import { openEngine } from "../../engine/context.ts";
import { startAttached, startContainer } from "../../engine/start.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { eachContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine start [FLAGS] CONTAINER…",
  summary: "Start containers that were created or have ended",
  flags: [
    {
      name: "attach",
      short: "a",
      kind: "bool",
      help: "stay until it ends: its output, the caller's signals, its status",
    },
    { name: "interactive", short: "i", kind: "bool", help: "stay, and hand standard input on" },
    { name: "detach-keys", kind: "string", value: "KEYS", help: "keys that leave it (ctrl-p,ctrl-q)" },
    { name: "sig-proxy", kind: "bool", help: "with -a or -i: hand signals on; true if not given" },
  ],
  async run(invocation) {
    const engine = await openEngine(invocation.paths);
    const interactive = truth(invocation, "interactive");
    if (!interactive && !truth(invocation, "attach"))
      return eachContainer(invocation.args, "start", async (name) => {
        await startContainer(engine, name);
        return name;
      });
    const [name, ...more] = invocation.args;
    if (name === undefined || more.length > 0)
      throw new VitrineError("USAGE", "start --attach takes one container", { hint: "vitrine start -a NAME" });
    const manner = {
      interactive,
      detachKeys: text(invocation, "detach-keys"),
      sigProxy: invocation.flags.get("sig-proxy") !== false,
    };
    try {
      return await startAttached(engine, name, manner);
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};
