/** Lists in the forms that docker's --format knows: table, json, and templates. */
import { columns } from "./columns.ts";
import { fill, headings, parseTemplate } from "./template.ts";

export interface Listing<Row extends Readonly<Record<string, string>>> {
  readonly rows: readonly Row[];
  /** Fields that the table shows if nothing else is asked for. */
  readonly shown: readonly (keyof Row & string)[];
  /** What stands above them. */
  readonly heads: Readonly<Record<string, string>>;
}

/** @param format undefined, "table", "json" or a template @throws INVALID, UNSUPPORTED */
export function listing<Row extends Readonly<Record<string, string>>>(
  list: Listing<Row>,
  format: string | undefined,
): string {
  const { rows, shown, heads } = list;
  if (format === "json") return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
  if (format === undefined || format === "table")
    return columns([
      shown.map((name) => heads[name] ?? name),
      ...rows.map((row) => shown.map((name) => row[name] ?? "")),
    ]);
  const template = parseTemplate(format);
  if (!template.table) return rows.map((row) => `${fill(template, row)}\n`).join("");
  const lines = [headings(template, heads), ...rows.map((row) => fill(template, row))];
  return columns(lines.map((line) => line.split("\t")));
}
