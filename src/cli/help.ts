import type { Command } from "./command.ts";
import { COMMANDS } from "./engine/commands.ts";
import type { Flag } from "./flags.ts";

export async function overview(global: readonly Flag[]): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry.internal) continue;
    const { command } = await entry.load();
    rows.push([name, command.summary]);
  }
  return `vitrine: containers that one can see into\n\nUsage: vitrine [OPTIONS] COMMAND\n\nCommands:\n${table(rows)}\nOptions:\n${flagTable(global)}\nvitrine COMMAND --help tells more.\n`;
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
