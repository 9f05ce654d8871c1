import { openEngine } from "../../engine/context.ts";
import { type ExecOptions, execInContainer, explainExec } from "../../engine/exec.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, type Invocation, text, truth } from "../command.ts";
import { complainAs } from "../complain.ts";
import { environmentOf } from "../environment.ts";
import { EXPLAIN_FLAG, explainForm, printPlan } from "../explain.ts";

export const command: Command = {
  usage: "vitrine exec [FLAGS] CONTAINER COMMAND [ARG…]",
  summary: "Run a command in a container that runs",
  stopAtArgument: true,
  flags: [
    { name: "detach", short: "d", kind: "bool", help: "leave it in the background, without streams" },
    { name: "detach-keys", kind: "string", value: "KEYS", help: "with -it: keys that leave it (ctrl-p,ctrl-q)" },
    { name: "env", short: "e", kind: "list", value: "NAME[=VALUE]", help: "set an environment variable" },
    { name: "env-file", kind: "list", value: "FILE", help: "set those in a file" },
    { name: "interactive", short: "i", kind: "bool", help: "hand standard input on" },
    { name: "privileged", kind: "bool", help: "all capabilities" },
    { name: "tty", short: "t", kind: "bool", help: "a terminal of its own" },
    { name: "user", short: "u", kind: "string", value: "USER[:GROUP]", help: "user, by name or id" },
    { name: "workdir", short: "w", kind: "string", value: "DIR", help: "working directory inside" },
    EXPLAIN_FLAG,
  ],
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.exec ?? [],
    told: "docs/guide/inside.md",
  },
  async run(invocation) {
    const [name, ...command] = invocation.args;
    try {
      if (name === undefined || command.length === 0)
        throw new VitrineError("USAGE", "vitrine exec takes a container and a command", {
          hint: "vitrine exec NAME COMMAND",
        });
      const options = optionsOf(invocation, command);
      const engine = await openEngine(invocation.paths);
      const form = explainForm(invocation);
      if (!form) return await execInContainer(engine, name, options);
      await printPlan(form, await explainExec(engine, name, options));
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

function optionsOf(i: Invocation, command: string[]): ExecOptions {
  return {
    command,
    interactive: truth(i, "interactive"),
    tty: truth(i, "tty"),
    detach: truth(i, "detach"),
    env: environmentOf(i),
    user: text(i, "user"),
    workdir: text(i, "workdir"),
    privileged: truth(i, "privileged"),
    detachKeys: text(i, "detach-keys"),
  };
}
