/** The firewall's table of this root: its name, and whether it is there. */
import { isDefault, type Paths } from "../../container/paths.ts";
import { carryOut } from "../../container/plans.ts";
import { lookForTable } from "../../plan/network/endpoint.ts";
import type { Engine } from "../context.ts";

/** One for each root: two engines on a host do not meet in the firewall. */
export function tableOf(paths: Paths): string {
  if (isDefault(paths)) return "vitrine";
  return `vitrine-${Bun.hash.crc32(`${paths.root}\0${paths.state}`).toString(16).padStart(8, "0")}`;
}

export function hasTable({ paths, stage }: Engine): boolean {
  const { op, found } = lookForTable(tableOf(paths));
  const { report, numberOf } = carryOut(stage.path, paths, [op]);
  return report.records[numberOf(found)]?.state === "done";
}
