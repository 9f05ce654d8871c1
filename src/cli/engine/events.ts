import type { Event } from "../../container/events.ts";
import { openEngine } from "../../engine/context.ts";
import { followEvents, parseEventFilters } from "../../engine/eventstream.ts";
import { VitrineError } from "../../errors.ts";
import { formatNanoseconds, parsePointInTime } from "../../spec/pointintime.ts";
import { type Command, type Invocation, list, text } from "../command.ts";
import { writeBytes } from "../output.ts";
import { fill, parseTemplate } from "../template.ts";

export const command: Command = {
  usage: "vitrine events [FLAGS]",
  summary: "Print what happens to containers, images, volumes and networks, as it happens",
  flags: [
    { name: "since", kind: "string", value: "TIME", help: "also what was before: 10m, or 2026-01-02T15:04:05Z" },
    { name: "until", kind: "string", value: "TIME", help: "until then, and not for ever" },
    {
      name: "filter",
      short: "f",
      kind: "list",
      value: "NAME=VALUE",
      help: "type, event, container, image, volume, network, label",
    },
    { name: "format", kind: "string", value: "TEMPLATE", help: "json, or {{.Action}} {{.Actor.ID}}" },
  ],
  async run(invocation) {
    if (invocation.args.length > 0) throw new VitrineError("USAGE", `vitrine events takes no "${invocation.args[0]}"`);
    const now = Date.now();
    const filters = list(invocation, "filter");
    parseEventFilters(filters);
    const show = formatter(text(invocation, "format"));
    const engine = await openEngine(invocation.paths);
    const asked = { since: moment(invocation, "since", now), until: moment(invocation, "until", now), filters };
    const encoder = new TextEncoder();
    await followEvents(engine, asked, (event) => writeBytes(1, encoder.encode(`${show(event)}\n`)));
    return 0;
  },
};

function moment(invocation: Invocation, flag: "since" | "until", now: number): bigint | undefined {
  const value = text(invocation, flag);
  return value === undefined || value === "" ? undefined : parsePointInTime(value, `--${flag}`, now);
}

function formatter(format: string | undefined): (event: Event) => string {
  if (format === undefined || format === "") return line;
  if (format === "json") return (event) => json(event);
  const template = parseTemplate(format);
  return (event) => fill(template, fields(event));
}

/** As docker writes it, but for the time, which is always UTC. */
function line({ time, type, action, id, attributes }: Event): string {
  const known = Object.keys(attributes)
    .sort()
    .map((name) => `${name}=${attributes[name]}`);
  return `${formatNanoseconds(time)} ${type} ${action} ${id}${known.length > 0 ? ` (${known.join(", ")})` : ""}`;
}

/** One line of JSON, as docker has it. */
function json({ time, type, action, id, attributes }: Event): string {
  const from = type === "container" ? { from: attributes.image } : {};
  const words = { status: action, id, ...from, Type: type, Action: action, Actor: { ID: id, Attributes: attributes } };
  // Nanoseconds are more than a number of ours holds.
  return `${JSON.stringify({ ...words, scope: "local", time: Number(time / 1_000_000_000n) }).slice(0, -1)},"timeNano":${time}}`;
}

/** What templates find; {{json .}} is as above. */
function fields(event: Event): object {
  const { time, type, action, id, attributes } = event;
  const known = {
    Type: type,
    Action: action,
    Actor: { ID: id, Attributes: attributes },
    Scope: "local",
    Time: Number(time / 1_000_000_000n),
    TimeNano: String(time),
    Status: action,
    ID: id,
    From: type === "container" ? (attributes.image ?? "") : "",
  };
  return Object.defineProperty(known, "toJSON", { value: () => JSON.parse(json(event)), enumerable: false });
}
