/** Processes as ps(1) of the host shows them: the only program that is run, and never one of a container. */
import { spawnSync } from "node:child_process";
import { VitrineError } from "../errors.ts";

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/**
 * @param args of ps, "-ef" if there are none
 * @throws NOT_FOUND without ps, INVALID for arguments that it does not know or that show no PID
 */
export function processTable(pids: readonly number[], args: readonly string[]): ProcessTable {
  const wanted = new Set(pids);
  const said = args.join(" ");
  const asked = args.length > 0 ? args : ["-ef"];
  // By their pids; a choice of processes among the arguments does not go with that.
  const chosen = ps([...asked, "-q", pids.join()]);
  const child = chosen.status === 0 ? chosen : ps(asked);
  if (child.error) throw new VitrineError("NOT_FOUND", "ps is not there", { hint: "install procps on this host" });
  if (child.status !== 0 && child.stderr.trim() !== "")
    throw new VitrineError("INVALID", `ps ${said}: ${child.stderr.trim().split("\n")[0]}`);
  const [head = "", ...lines] = child.stdout.split("\n").filter(Boolean);
  const titles = head.trim().split(/\s+/);
  const column = titles.indexOf("PID");
  if (column < 0) throw new VitrineError("INVALID", `ps ${said}: shows no PID`, { hint: "add pid to the columns" });
  const rows = lines.map((line) => fields(line, titles.length)).filter((row) => wanted.has(Number(row[column])));
  return { titles, rows };
}

function ps(args: readonly string[]) {
  return spawnSync("ps", args, { encoding: "utf8", maxBuffer: 2 ** 27 });
}

/** The last column may have blanks in it. */
function fields(line: string, count: number): string[] {
  const words = line.trim().split(/\s+/);
  return words.length <= count ? words : [...words.slice(0, count - 1), words.slice(count - 1).join(" ")];
}
