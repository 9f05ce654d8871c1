import { openEngine } from "../../engine/context.ts";
import { printLogs } from "../../engine/logs.ts";
import { parsePointInTime } from "../../spec/pointintime.ts";
import { parseWhole } from "../../spec/sizes.ts";
import { type Command, type Invocation, text, truth } from "../command.ts";
import { complain } from "../complain.ts";
import { printError, writeBytes } from "../output.ts";
import { oneContainer } from "./each.ts";

export const command: Command = {
  usage: "vitrine logs [FLAGS] CONTAINER",
  summary: "Print what a container has written",
  flags: [
    { name: "follow", short: "f", kind: "bool", help: "go on until it ends" },
    { name: "tail", short: "n", kind: "string", value: "N", help: "only the last lines; all if not given" },
    { name: "timestamps", short: "t", kind: "bool", help: "when each line was written" },
    { name: "since", kind: "string", value: "TIME", help: "only what is not older: 10m, or 2026-01-02T15:04:05Z" },
    { name: "until", kind: "string", value: "TIME", help: "only what is not newer" },
    { name: "details", kind: "bool", help: "what --log-opt labels= and env= name, before each line" },
  ],
  async run(invocation) {
    const name = oneContainer(invocation.args, "logs");
    const now = Date.now();
    const tail = text(invocation, "tail");
    const options = {
      follow: truth(invocation, "follow"),
      tail: tail === undefined || tail === "all" || tail === "-1" ? undefined : parseWhole(tail, "--tail", 0),
      timestamps: truth(invocation, "timestamps"),
      details: truth(invocation, "details"),
      since: moment(invocation, "since", now),
      until: moment(invocation, "until", now),
    };
    const engine = await openEngine(invocation.paths);
    try {
      await printLogs(engine, name, options, writeBytes, (what) => printError(`vitrine: ${what}\n`));
      return 0;
    } catch (error) {
      complain(error, false);
      return 1;
    }
  },
};

function moment(invocation: Invocation, flag: "since" | "until", now: number): bigint | undefined {
  const value = text(invocation, flag);
  return value === undefined || value === "" ? undefined : parsePointInTime(value, `--${flag}`, now);
}
