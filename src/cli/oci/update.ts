import { readFileSync } from "node:fs";
import { invalid, VitrineError } from "../../errors.ts";
import { updateContainer } from "../../runtime/update.ts";
import { parseConfig } from "../../spec/checkconfig.ts";
import { checkResources } from "../../spec/checkresources.ts";
import { parseBytes } from "../../spec/sizes.ts";
import type { Flag } from "../flags.ts";
import { type OciCommand, type OciInvocation, runtimeOf, text } from "./command.ts";

/** Flag, place in the resources, and what is read from its word. */
const LIMITS: readonly [
  flag: string,
  section: string,
  property: string,
  kind: "bytes" | "number" | "word",
  help: string,
][] = [
  ["blkio-weight", "blockIO", "weight", "number", "weight at block devices, 10 to 1000"],
  ["cpu-period", "cpu", "period", "number", "microseconds of each CPU period"],
  ["cpu-quota", "cpu", "quota", "number", "microseconds of CPU time in each period, -1 for no limit"],
  ["cpu-burst", "cpu", "burst", "number", "microseconds above the quota that may be saved up"],
  ["cpu-share", "cpu", "shares", "number", "weight against others"],
  ["cpu-rt-period", "cpu", "realtimePeriod", "number", "microseconds of each realtime period"],
  ["cpu-rt-runtime", "cpu", "realtimeRuntime", "number", "microseconds of realtime in each period"],
  ["cpu-idle", "cpu", "idle", "number", "1: only CPU time that nobody else wants"],
  ["cpuset-cpus", "cpu", "cpus", "word", "CPUs: 0-2,4"],
  ["cpuset-mems", "cpu", "mems", "word", "memory nodes: 0-1"],
  ["memory", "memory", "limit", "bytes", "bytes, -1 for no limit"],
  ["memory-reservation", "memory", "reservation", "bytes", "bytes that it is brought back to when others need them"],
  ["memory-swap", "memory", "swap", "bytes", "bytes of memory and swap together, -1 for no limit"],
  ["pids-limit", "pids", "limit", "number", "processes, -1 for no limit"],
];

const REFUSED = ["kernel-memory", "kernel-memory-tcp"];
const SCHEMATA = ["l3-cache-schema", "mem-bw-schema"];

export const command: OciCommand = {
  usage: "CONTAINER",
  summary: "Change limits of a container",
  flags: [
    {
      name: "resources",
      short: "r",
      kind: "string",
      value: "FILE",
      help: "linux.resources as in config.json; - for standard input",
    },
    ...LIMITS.map(([name, , , kind, help]): Flag => ({ name, kind: "string", value: kind.toUpperCase(), help })),
    ...SCHEMATA.map((name): Flag => ({ name, kind: "string", value: "LINE", help: "a line of the resctrl group" })),
    ...REFUSED.map(
      (name): Flag => ({ name, kind: "string", value: "VALUE", help: "not there: see docs/guide/runtime.md" }),
    ),
  ],
  least: 1,
  async run(i) {
    const file = text(i, "resources");
    const asked = file === undefined ? flagged(i) : parseConfig(read(file));
    const schemata = SCHEMATA.map((name) => text(i, name)).filter((line): line is string => Boolean(line));
    updateContainer(await runtimeOf(i), i.args[0] ?? "", checkResources(asked, "$"), schemata);
    return 0;
  },
};

function flagged(i: OciInvocation): Record<string, Record<string, number | string>> {
  const result: Record<string, Record<string, number | string>> = {};
  for (const name of REFUSED)
    if (text(i, name) !== undefined)
      throw new VitrineError("UNSUPPORTED", `--${name}: kernels take no such limit any more`);
  for (const [flag, section, property, kind] of LIMITS) {
    const word = text(i, flag);
    if (word === undefined) continue;
    const value =
      kind === "word" ? word : kind === "bytes" && word !== "-1" ? parseBytes(word, `--${flag}`) : Number(word);
    if (typeof value === "number" && !Number.isInteger(value)) throw invalid(`--${flag} "${word}": not a whole number`);
    result[section] = { ...result[section], [property]: value };
  }
  return result;
}

function read(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (error) {
    throw new VitrineError("NOT_FOUND", `--resources ${file}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
