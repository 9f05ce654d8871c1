import type { Flag } from "../flags.ts";
import { flagTable, table } from "../help.ts";
import type { OciCommand } from "./command.ts";
import { COMMANDS } from "./commands.ts";

export async function ociOverview(global: readonly Flag[]): Promise<string> {
  const rows: [string, string][] = [];
  for (const [name, entry] of Object.entries(COMMANDS))
    if (!entry.internal) rows.push([name, (await entry.load()).command.summary]);
  return `vitrine-runtime: runs containers from OCI bundles\n\nUsage: vitrine-runtime [OPTIONS] COMMAND\n\nCommands:\n${table(rows)}\nOptions:\n${flagTable(global)}\nvitrine-runtime COMMAND --help tells more.\n`;
}

export function ociCommandHelp(name: string, { summary, usage, flags }: OciCommand): string {
  const table = flags.length > 0 ? `\nFlags:\n${flagTable(flags)}` : "";
  return `${summary}\n\nUsage: vitrine-runtime ${name} ${flags.length > 0 ? "[FLAGS] " : ""}${usage}\n${table}`;
}
