import { invalid } from "../../errors.ts";
import { statsOf, watch } from "../../runtime/events.ts";
import { printOut } from "../output.ts";
import { type OciCommand, runtimeOf, text, truth } from "./command.ts";

const UNIT: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Tell what a container uses, and when it runs out of memory",
  flags: [
    { name: "interval", kind: "string", value: "TIME", help: "how often: 5s, 500ms, 1m" },
    { name: "stats", kind: "bool", help: "once, and no more" },
  ],
  least: 1,
  async run(i) {
    const [id = ""] = i.args;
    const every = milliseconds(text(i, "interval") ?? "5s");
    const runtime = await runtimeOf(i);
    if (truth(i, "stats")) printOut(statsOf(runtime, id));
    else await watch(runtime, id, every, printOut);
    return 0;
  },
};

function milliseconds(word: string): number {
  const [, number, unit = ""] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(word) ?? [];
  const time = Number(number) * (UNIT[unit] ?? Number.NaN);
  if (!(time > 0)) throw invalid(`--interval "${word}": not a time above zero`, "5s, 500ms, 1m");
  return time;
}
