import type { Command } from "./command.ts";
import { type Entry, GROUPS } from "./engine/commands.ts";
import { commandsOf, topCommands } from "./engine/dispatch.ts";
import type { Flag } from "./flags.ts";

export async function overview(global: readonly Flag[]): Promise<string> {
  const groups = Object.entries(GROUPS).filter(([name]) => commandsOf(name).length > 0);
  const more = groups.length > 0 ? `\nGroups of commands:\n${table(groups)}` : "";
  return `vitrine: containers that one can see into\n\nUsage: vitrine [OPTIONS] COMMAND\n\nCommands:\n${await summaries(topCommands())}${more}\nOptions:\n${flagTable(global)}\nvitrine COMMAND --help tells more.\n`;
}

export async function groupHelp(group: string): Promise<string> {
  return `${GROUPS[group]}\n\nUsage: vitrine ${group} COMMAND\n\nCommands:\n${await summaries(commandsOf(group))}\nvitrine ${group} COMMAND --help tells more.\n`;
}

async function summaries(commands: readonly (readonly [string, Entry])[]): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, entry] of commands) rows.push([name, (await entry.load()).command.summary]);
  return table(rows);
}

export function commandHelp(command: Command): string {
  const flags = command.flags.length > 0 ? `\nFlags:\n${flagTable(command.flags)}` : "";
  const refused = command.refused ? `\n${command.refused.told}\n` : "";
  return `${command.summary}\n\nUsage: ${command.usage}\n${flags}${refused}`;
}

export function flagTable(flags: readonly Flag[]): string {
  return table(flags.map(row));
}

function row(flag: Flag): [string, string] {
  const value = flag.value === undefined ? "" : flag.kind === "optional" ? `[=${flag.value}]` : ` ${flag.value}`;
  return [`${flag.short ? `-${flag.short}, ` : "    "}--${flag.name}${value}`, flag.help];
}

/** Two columns, the first as wide as it needs to be. */
export function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
