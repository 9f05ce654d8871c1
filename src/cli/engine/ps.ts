import type { ContainerRecord } from "../../container/record.ts";
import { openEngine } from "../../engine/context.ts";
import { listContainers } from "../../engine/ps.ts";
import { type Command, truth } from "../command.ts";
import { printOut } from "../output.ts";

export const command: Command = {
  usage: "vitrine ps [FLAGS]",
  summary: "List containers",
  flags: [
    { name: "all", short: "a", kind: "bool", help: "also those that have ended" },
    { name: "quiet", short: "q", kind: "bool", help: "only ids" },
    { name: "no-trunc", kind: "bool", help: "whole ids and commands" },
    { name: "json", kind: "bool", help: "as JSON" },
  ],
  async run(invocation) {
    const containers = await listContainers(await openEngine(invocation.paths), truth(invocation, "all"));
    const whole = truth(invocation, "no-trunc");
    if (truth(invocation, "json")) printOut(`${JSON.stringify(containers, undefined, 2)}\n`);
    else if (truth(invocation, "quiet")) for (const c of containers) printOut(`${shortId(c, whole)}\n`);
    else printOut(table(containers, whole, Date.now()));
    return 0;
  },
};

const HEAD = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"];

function table(containers: readonly ContainerRecord[], whole: boolean, now: number): string {
  const rows = [
    HEAD,
    ...containers.map((c) => [
      shortId(c, whole),
      c.image,
      commandOf(c, whole),
      `${ago(now - c.created)} ago`,
      statusOf(c, now),
      c.name,
    ]),
  ];
  const widths = HEAD.map((_, i) => Math.max(...rows.map((r) => (r[i] ?? "").length)));
  return rows
    .map(
      (r) =>
        `${r
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("   ")
          .trimEnd()}\n`,
    )
    .join("");
}

function shortId(c: ContainerRecord, whole: boolean): string {
  return whole ? c.id : c.id.slice(0, 12);
}

function commandOf(c: ContainerRecord, whole: boolean): string {
  const all = c.command.join(" ");
  return JSON.stringify(whole || all.length <= 20 ? all : `${all.slice(0, 19)}…`);
}

function statusOf(c: ContainerRecord, now: number): string {
  if (c.status === "running") return `Up ${ago(now - c.created)}`;
  return `Exited (${c.exitCode ?? "?"}) ${ago(now - (c.finished ?? c.created))} ago`;
}

/** A time span in docker's words. */
export function ago(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.floor(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.floor(hours / 24);
  if (days < 14) return `${days} days`;
  return days < 60
    ? `${Math.floor(days / 7)} weeks`
    : days < 730
      ? `${Math.floor(days / 30)} months`
      : `${Math.floor(days / 365)} years`;
}
