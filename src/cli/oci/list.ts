import { invalid } from "../../errors.ts";
import { type Listed, list } from "../../runtime/list.ts";
import { printOut } from "../output.ts";
import { type OciCommand, runtimeOf, text, truth } from "./command.ts";

export const command: OciCommand = {
  usage: "",
  summary: "List containers",
  flags: [
    { name: "format", short: "f", kind: "string", value: "FORMAT", help: "table or json" },
    { name: "quiet", short: "q", kind: "bool", help: "ids only" },
  ],
  least: 0,
  async run(i) {
    const format = text(i, "format") ?? "table";
    if (format !== "table" && format !== "json") throw invalid(`--format "${format}": neither table nor json`);
    const all = await list(await runtimeOf(i));
    if (truth(i, "quiet")) printOut(all.map(({ id }) => `${id}\n`).join(""));
    else if (format === "json") printOut(`${JSON.stringify(all)}\n`);
    else printOut(table(all));
    return 0;
  },
};

function table(all: readonly Listed[]): string {
  const rows = [
    ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
    ...all.map((c) => [c.id, `${c.pid}`, c.status, c.bundle, c.created, c.owner]),
  ];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(11, ...rows.map((row) => (row[i] ?? "").length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((word, i) => word.padEnd(widths[i] ?? 0))
          .join(" ")
          .trimEnd()}\n`,
    )
    .join("");
}
