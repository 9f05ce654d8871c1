import { openEngine } from "../../engine/context.ts";
import { processesOf } from "../../engine/top.ts";
import { VitrineError } from "../../errors.ts";
import type { Command } from "../command.ts";
import { complainAs } from "../complain.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine top CONTAINER [PS OPTIONS]",
  summary: "Show the processes of a container",
  flags: [],
  stopAtArgument: true,
  refused: {
    load: async () => (await import("./insiderefused.ts")).REFUSED.top ?? [],
    told: "docs/guide/inside.md",
  },
  async run({ paths, args }) {
    const [name, ...options] = args;
    try {
      if (name === undefined) throw new VitrineError("USAGE", "no container", { hint: "vitrine top NAME" });
      const { titles, rows } = await processesOf(await openEngine(paths), name, options);
      printOut(table([titles, ...rows]));
      return 0;
    } catch (error) {
      return complainAs(error, 1);
    }
  },
};

/** Docker's columns are twenty wide, or as wide as they have to be. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(20, ...rows.map((row) => (row[i] ?? "").length + 3)));
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}
