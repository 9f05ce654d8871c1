/** Results as aligned text. */
import { type Absent, median, type Result } from "./race.ts";

export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  // Names and remarks stand to the left, figures to the right.
  const isText = (i: number) => i === 0 || i === head.length - 1;
  for (const row of all)
    console.log(
      row
        .map((cell, i) => (isText(i) ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    );
}

export const ms = (value: number) => value.toFixed(2);

/** The first result is the one that the others are held against. */
export function printResults(results: readonly (Result | Absent)[]): void {
  const ours = results[0] && "times" in results[0] ? results[0].times : [];
  const name = results[0] && "times" in results[0] ? results[0].entry.name : "ours";
  const rows = results.map((result) => {
    if (!("times" in result)) return [result.name, "-", "-", "-", result.reason];
    const { entry, times } = result;
    const ratios = ours.map((our, i) => our / (times[i] ?? Number.NaN));
    const ratio = ratios.length > 0 ? median(ratios).toFixed(2) : "-";
    return [entry.name, ms(median(times)), ms(Math.min(...times)), ratio, entry.note];
  });
  printTable(["", "median ms", "min ms", `${name} / it`, ""], rows);
}
