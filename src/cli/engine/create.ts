import { openEngine } from "../../engine/context.ts";
import { createContainer } from "../../engine/create.ts";
import type { Command } from "../command.ts";
import { printOut } from "../output.ts";
import { warn } from "../owner.ts";
import { fetchFor, replace, command as run, runOptions } from "./run.ts";

/** Of `run`, what is about its command, or about plans that are not carried out. */
const OF_RUN = new Set(["detach", "detach-keys", "sig-proxy", "explain", "timeline"]);

export const command: Command = {
  usage: "vitrine create [FLAGS] (IMAGE | --rootfs DIR) [COMMAND [ARG…]]",
  summary: "Make a container that start runs later, and print its id",
  stopAtArgument: true,
  flags: run.flags.filter(({ name }) => !OF_RUN.has(name)),
  ...(run.refused ? { refused: run.refused } : {}),
  async run(invocation) {
    const options = runOptions(invocation);
    const engine = await openEngine(invocation.paths);
    await replace(engine, invocation);
    printOut(`${await createContainer(engine, options, warn, fetchFor(engine, invocation))}\n`);
    return 0;
  },
};
