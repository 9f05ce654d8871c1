/** `events`: what has happened, what happens, and which of it somebody wants to know. */
import { basename } from "node:path";
import { type Event, EventReader } from "../container/events.ts";
import { eventsFile } from "../container/paths.ts";
import { invalid } from "../errors.ts";
import { Changes } from "./changes.ts";
import type { Engine } from "./context.ts";
import { hasLabel } from "./image/filters.ts";

export interface EventsAsked {
  /** Nanoseconds since 1970. */
  readonly since: bigint | undefined;
  readonly until: bigint | undefined;
  /** "type=container" */
  readonly filters: readonly string[];
}

type Wanted = (event: Event) => boolean;

const KNOWN: Readonly<Record<string, (event: Event, value: string) => boolean>> = {
  type: ({ type }, value) => type === value,
  event: ({ action }, value) => action === value || action.startsWith(`${value}:`),
  container: (event, value) => event.type === "container" && isCalled(event, value),
  image: ({ type, id, attributes }, value) =>
    value === (type === "container" ? attributes.image : id) || (type === "image" && attributes.name === value),
  volume: (event, value) => event.type === "volume" && isCalled(event, value),
  network: (event, value) => event.type === "network" && isCalled(event, value),
  label: ({ attributes }, value) => hasLabel(attributes, value),
  scope: (_, value) => value === "local",
};

function isCalled({ id, attributes }: Event, value: string): boolean {
  return attributes.name === value || (value !== "" && id.startsWith(value));
}

/** Of values of one name one has to fit, of labels all; every name has to. @throws INVALID */
export function parseEventFilters(texts: readonly string[]): Wanted {
  const asked = new Map<string, string[]>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const name = text.slice(0, at);
    if (at < 0) throw invalid(`--filter "${text}": not of the form NAME=VALUE`);
    if (!Object.hasOwn(KNOWN, name))
      throw invalid(`--filter "${text}": there is no such filter`, `known: ${Object.keys(KNOWN).join(", ")}`);
    asked.set(name, [...(asked.get(name) ?? []), text.slice(at + 1)]);
  }
  return (event) =>
    [...asked].every(([name, values]) => {
      const fits = (value: string) => KNOWN[name]?.(event, value) === true;
      return name === "label" ? values.every(fits) : values.some(fits);
    });
}

/** Until `until`, or for ever. @param show returns false if nobody reads any more */
export async function followEvents(
  { paths }: Engine,
  { since, until, filters }: EventsAsked,
  show: (event: Event) => boolean,
): Promise<void> {
  const wanted = parseEventFilters(filters);
  const reader = new EventReader(paths);
  const all = (events: Iterable<Event>): boolean => {
    for (const event of events) {
      const inTime = (since === undefined || event.time >= since) && (until === undefined || event.time <= until);
      if (inTime && wanted(event) && !show(event)) return false;
    }
    return true;
  };
  const changes = new Changes(paths.state, basename(eventsFile(paths))); // before anything is read
  try {
    if (since === undefined && until === undefined) reader.skip();
    else if (!all(reader.older())) return;
    while (all(reader.newer())) {
      const left = until === undefined ? undefined : Number(until / 1_000_000n) - Date.now();
      if (left !== undefined && left <= 0) return;
      await changes.next(left === undefined ? undefined : Math.min(left, 2 ** 30));
    }
  } finally {
    changes.close();
    reader.close();
  }
}
