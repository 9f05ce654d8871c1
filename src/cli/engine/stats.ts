import { setTimeout as sleep } from "node:timers/promises";
import { isTerminal } from "../../container/terminal.ts";
import { openEngine } from "../../engine/context.ts";
import { cpuPercent, type Sample, sample, watched } from "../../engine/stats.ts";
import { VitrineError } from "../../errors.ts";
import { type Command, text, truth } from "../command.ts";
import { complainAs } from "../complain.ts";
import { binarySize, decimalSize } from "../decimal.ts";
import { listing } from "../listing.ts";
import { printOut } from "../output.ts";

const HEADS = {
  Container: "CONTAINER",
  ID: "CONTAINER ID",
  Name: "NAME",
  CPUPerc: "CPU %",
  MemUsage: "MEM USAGE / LIMIT",
  MemPerc: "MEM %",
  NetIO: "NET I/O",
  BlockIO: "BLOCK I/O",
  PIDs: "PIDS",
};

const SHOWN = ["ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs"] as const;

/** Between two looks. */
const INTERVAL_MS = 1000;
const FIRST_MS = 250;

const HOME = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";

export const command: Command = {
  usage: "vitrine stats [FLAGS] [CONTAINER…]",
  summary: "Show what containers use",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also those that do not run" },
    { name: "format", kind: "string", value: "FORMAT", help: "table, json, or a template: {{.Name}} {{.CPUPerc}}" },
    { name: "no-stream", kind: "bool", help: "once, and not again and again" },
    { name: "no-trunc", kind: "bool", help: "whole ids" },
  ],
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.stats ?? [],
    told: "docs/guide/inside.md",
  },
  async run(invocation) {
    try {
      const engine = await openEngine(invocation.paths);
      const { args } = invocation;
      const format = text(invocation, "format");
      const all = truth(invocation, "all");
      if (all && args.length > 0)
        throw new VitrineError("USAGE", "--all: goes with no names", { hint: "leave one of them out" });
      const show = (samples: readonly Sample[], before: readonly Sample[]) =>
        listing({ rows: rowsOf(samples, before, truth(invocation, "no-trunc")), shown: SHOWN, heads: HEADS }, format);
      show([], []); // a template that is none is told before anything else
      let containers = await watched(engine, args, all);
      let before = sample(engine, containers);
      await sleep(FIRST_MS);
      if (truth(invocation, "no-stream")) {
        printOut(show(sample(engine, containers), before));
        return 0;
      }
      const redraw = isTerminal(1);
      let first = true;
      for (;;) {
        if (args.length === 0) containers = await watched(engine, [], all);
        const now = sample(engine, containers);
        const lines = show(now, before);
        printOut(
          redraw
            ? `${first ? `${HOME}\x1b[2J` : HOME}${lines.replaceAll("\n", `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`
            : lines,
        );
        if (args.length > 0 && now.every(({ running }) => !running)) return 0;
        first = false;
        before = now;
        await sleep(INTERVAL_MS);
      }
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

function rowsOf(samples: readonly Sample[], before: readonly Sample[], whole: boolean) {
  return samples.map((now) => {
    const { usage, traffic, memoryLimit } = now;
    const cpu = cpuPercent(
      before.find(({ id }) => id === now.id),
      now,
    );
    const memory = memoryLimit > 0 ? (100 * usage.memory) / memoryLimit : 0;
    return {
      BlockIO: `${decimalSize(usage.read)} / ${decimalSize(usage.written)}`,
      CPUPerc: `${cpu.toFixed(2)}%`,
      Container: whole || now.called !== now.id ? now.called : now.id.slice(0, 12),
      ID: whole ? now.id : now.id.slice(0, 12),
      MemPerc: `${memory.toFixed(2)}%`,
      MemUsage: `${binarySize(usage.memory)} / ${binarySize(memoryLimit)}`,
      Name: now.name,
      NetIO: `${decimalSize(traffic.received)} / ${decimalSize(traffic.sent)}`,
      PIDs: String(usage.processes),
    };
  });
}
