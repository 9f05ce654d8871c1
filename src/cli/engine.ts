/** The command line of the engine: vitrine [OPTIONS] COMMAND … */
import { DEFAULT_ROOT, DEFAULT_STATE } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import { VERSION } from "../version.ts";
import type { Command } from "./command.ts";
import { complain } from "./complain.ts";
import { findCommand } from "./engine/dispatch.ts";
import { type Flag, type Parsed, parseFlags, UnknownFlag } from "./flags.ts";
import { printError, printOut } from "./output.ts";

const GLOBAL: readonly Flag[] = [
  { name: "root", kind: "string", value: "DIR", help: `images and containers (${DEFAULT_ROOT}, or $VITRINE_ROOT)` },
  { name: "state", kind: "string", value: "DIR", help: `what a reboot ends (${DEFAULT_STATE}, or $VITRINE_STATE)` },
  { name: "debug", kind: "bool", help: "show where errors come from" },
  { name: "help", kind: "bool", help: "show this help" },
  { name: "version", kind: "bool", help: "show the version" },
];

const HELP: Flag = { name: "help", kind: "bool", help: "show this help" };

export async function main(args: readonly string[], began: bigint): Promise<number> {
  let debug = false;
  try {
    const { flags, rest } = parseFlags(args, GLOBAL, true);
    debug = flags.get("debug") === true;
    if (flags.get("version")) return print(`vitrine ${VERSION}\n`);
    const [name] = rest;
    if (flags.get("help") || name === undefined || name === "help") {
      const { overview } = await import("./help.ts");
      const text = await overview(GLOBAL);
      if (name !== undefined || flags.get("help")) return print(text);
      printError(text);
      return 125;
    }
    const found = findCommand(rest);
    if (found.kind === "group") {
      const { groupHelp } = await import("./help.ts");
      const text = await groupHelp(found.group);
      if (found.asked) return print(text);
      printError(text);
      return 125;
    }
    const { command } = await found.entry.load();
    const parsed = await parseFlagsOf(command, found.rest);
    if (parsed.flags.get("help")) {
      const { commandHelp } = await import("./help.ts");
      return print(commandHelp(command));
    }
    const path = (flag: string, variable: string, otherwise: string) => {
      const chosen = String(flags.get(flag) ?? process.env[variable] ?? otherwise).replace(/(?<=.)\/+$/, "");
      if (!chosen.startsWith("/")) throw new VitrineError("USAGE", `--${flag} "${chosen}": not an absolute path`);
      return chosen;
    };
    const paths = {
      root: path("root", "VITRINE_ROOT", DEFAULT_ROOT),
      state: path("state", "VITRINE_STATE", DEFAULT_STATE),
    };
    return await command.run({ paths, flags: parsed.flags, args: parsed.rest, began });
  } catch (error) {
    return complain(error, debug);
  }
}

/** With the flags that are refused only once one is met that is not known: a warm start does without them. */
async function parseFlagsOf(
  { flags, refused, stopAtArgument = false }: Command,
  args: readonly string[],
): Promise<Parsed> {
  const known = [...flags, HELP];
  try {
    return parseFlags(args, known, stopAtArgument);
  } catch (error) {
    if (!(error instanceof UnknownFlag) || !refused) throw error;
    return parseFlags(args, [...known, ...(await refused.load())], stopAtArgument);
  }
}

function print(text: string): number {
  printOut(text);
  return 0;
}
