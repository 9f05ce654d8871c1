/** Docker's filters of containers. Of values of one name one has to fit, of labels all; every name has to. */

import { readConfig } from "../container/store.ts";
import { invalid, VitrineError } from "../errors.ts";
import { lookUpImage } from "../image/images.ts";
import { labelsOf, mountsOf, STATES, stateOf } from "./containerstate.ts";
import type { Engine } from "./context.ts";
import { pick } from "./find.ts";
import { healthOf } from "./healthnotes.ts";
import { hasLabel } from "./image/filters.ts";
import { exposedOf, networkNames, publishedOf } from "./network/settings.ts";
import type { Listed } from "./ps.ts";

export interface ContainerFilters {
  readonly matches: (listed: Listed) => boolean;
  /** Also those that do not run, as `status=` means it. */
  readonly all: boolean;
}

const NAMES = [
  "ancestor",
  "before",
  "exited",
  "expose",
  "health",
  "id",
  "is-task",
  "label",
  "name",
  "network",
  "publish",
  "since",
  "status",
  "volume",
] as const;

type Name = (typeof NAMES)[number];
type Test = (listed: Listed) => boolean;

/** @param everything all containers: some are named by others @throws INVALID, NOT_FOUND */
export function containerFilters(
  engine: Engine,
  texts: readonly string[],
  everything: readonly Listed[],
): ContainerFilters {
  const asked = new Map<Name, string[]>();
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0) throw invalid(`--filter "${text}": not of the form NAME=VALUE`);
    const name = NAMES.find((n) => n === text.slice(0, at).trim().toLowerCase());
    if (!name) throw invalid(`--filter "${text}": there is no such filter`, `known: ${NAMES.join(", ")}`);
    asked.set(name, [...(asked.get(name) ?? []), text.slice(at + 1).trim()]);
  }
  const tests = [...asked].map(([name, values]): Test => {
    const each = values.map((value) => testOf(engine, name, value, everything));
    return (listed) => (name === "label" ? each.every((t) => t(listed)) : each.some((t) => t(listed)));
  });
  return { matches: (listed) => tests.every((test) => test(listed)), all: asked.has("status") };
}

function testOf(engine: Engine, name: Name, value: string, everything: readonly Listed[]): Test {
  const wrong = (why: string, hint?: string) => invalid(`--filter "${name}=${value}": ${why}`, hint);
  switch (name) {
    case "id":
      return matcher(value, ({ container }) => [container.id]);
    case "name":
      return matcher(value, ({ container }) => [container.name, `/${container.name}`]);
    case "label":
      return ({ container }) => hasLabel(labelsOf(container), value);
    case "status":
      if (!STATES.includes(value)) throw wrong("is no status", STATES.join(", "));
      return (listed) => stateOf(listed) === value;
    case "exited": {
      const code = Number(value);
      if (!/^-?\d+$/.test(value)) throw wrong("is no exit code");
      return ({ container, record }) => !record && container.status === "exited" && container.exitCode === code;
    }
    case "before":
    case "since": {
      const { container: other } = pick(engine, everything, value, ({ container }) => container);
      return ({ container: { id, created } }) =>
        id !== other.id && (name === "before" ? created < other.created : created > other.created);
    }
    case "ancestor":
      return ancestor(engine, value);
    case "volume":
      return ({ container, record }) => {
        const mounts = mountsOf(record?.input.config ?? readConfig(engine.paths, container.id), container.options);
        return mounts.some((mount) => mount.name === value || mount.source === value || mount.destination === value);
      };
    case "network":
      return (listed) =>
        networkNames(listed).includes(value) ||
        listed.connections?.some(({ network }) => network.id.startsWith(value)) === true;
    case "publish":
    case "expose":
      if (!/^\d+(-\d+)?(\/(tcp|udp|sctp))?$/.test(value)) throw wrong("is no port", "80, 80/udp, 8000-8080");
      return portFilter(name, value);
    case "health":
      if (!["starting", "healthy", "unhealthy", "none"].includes(value)) throw wrong("is no state of health");
      return ({ container }) => (healthOf(engine, container)?.status ?? "none") === value;
    case "is-task":
      if (!/^(true|false|1|0)$/i.test(value)) throw wrong("neither true nor false");
      return () => /^(false|0)$/i.test(value); // there is no swarm
  }
}

/** "80", "80/udp", "8000-8080": by the container's side, or the host's. */
function portFilter(name: "publish" | "expose", value: string): Test {
  const [, first = "", last = first, protocol = "tcp"] = /^(\d+)(?:-(\d+))?(?:\/(.*))?$/.exec(value) ?? [];
  const within = (port: number) => port >= Number(first) && port <= Number(last);
  return (listed) => {
    const published = publishedOf(listed).filter((port) => port.protocol === protocol);
    if (published.some(({ port, hostPort }) => within(port) || within(hostPort))) return true;
    return name === "expose" && exposedOf(listed).some((one) => one.protocol === protocol && within(one.port));
  };
}

/** Anywhere in it, as a regular expression; what is none is taken by the letter. */
function matcher(value: string, texts: (listed: Listed) => readonly string[]): Test {
  let pattern: RegExp | undefined;
  try {
    pattern = new RegExp(value);
  } catch {
    pattern = undefined;
  }
  return (listed) => texts(listed).some((text) => (pattern ? pattern.test(text) : text.includes(value)));
}

/** That image, or one that lies on all of its layers. */
function ancestor({ paths }: Engine, value: string): Test {
  let image: ReturnType<typeof lookUpImage>;
  try {
    image = lookUpImage(paths, value);
  } catch (error) {
    if (!(error instanceof VitrineError)) throw error;
  }
  const chain = image?.layers.at(-1)?.chainId.replace(/^sha256:/, "");
  return ({ container: { image: label, imageId, layers } }) =>
    label === value ||
    (image !== undefined && imageId === image.id) ||
    (layers ?? []).some((directory) => chain !== undefined && directory.includes(`/${chain}/`));
}
