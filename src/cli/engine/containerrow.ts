/** A container as a line of a table, in docker's words. */
import type { ContainerRecord } from "../../container/record.ts";
import { readConfig } from "../../container/store.ts";
import { labelsOf, mountsOf, stateOf } from "../../engine/containerstate.ts";
import type { Engine } from "../../engine/context.ts";
import { writtenBy } from "../../engine/diskusage.ts";
import { healthOf } from "../../engine/healthnotes.ts";
import { networkNames, portsText } from "../../engine/network/settings.ts";
import type { Listed } from "../../engine/ps.ts";
import { readImage } from "../../image/images.ts";
import type { Health } from "../../spec/health.ts";
import { ago } from "../ago.ts";
import { decimalSize } from "../decimal.ts";

export const HEADS = {
  ID: "CONTAINER ID",
  Image: "IMAGE",
  Command: "COMMAND",
  CreatedAt: "CREATED AT",
  RunningFor: "CREATED",
  Ports: "PORTS",
  State: "STATE",
  Status: "STATUS",
  Size: "SIZE",
  Names: "NAMES",
  Labels: "LABELS",
  Mounts: "MOUNTS",
  LocalVolumes: "LOCAL VOLUMES",
  Networks: "NETWORKS",
};

export interface Manner {
  /** Nothing is cut short. */
  readonly whole: boolean;
  /** Sizes are asked for: they take a look at every file. */
  readonly size: boolean;
  readonly now: number;
}

export function rowOf(engine: Engine, listed: Listed, { whole, size, now }: Manner) {
  const { container, record } = listed;
  const labels = labelsOf(container);
  const mounts = () => mountsOf(record?.input.config ?? readConfig(engine.paths, container.id), container.options);
  const short = (place: string) => (whole || place.length <= 15 ? place : `${place.slice(0, 14)}…`);
  const row = {
    Command: commandOf(container, whole),
    CreatedAt: timeOf(container.created),
    ID: shortId(container, whole),
    Image: container.image,
    Labels: Object.entries(labels)
      .map(([name, value]) => `${name}=${value}`)
      .join(","),
    // For these a whole config is read: many ask for neither.
    get LocalVolumes() {
      return String(mounts().filter(({ type }) => type === "volume").length);
    },
    get Mounts() {
      const places = mounts().filter(({ type }) => type !== "tmpfs");
      return places.map(({ name, source }) => short(name ?? source)).join(",");
    },
    Names: container.name,
    Networks: networkNames(listed).join(","),
    Ports: portsText(listed),
    RunningFor: `${ago(now - container.created)} ago`,
    Size: size ? sizeOf(engine, container) : "0B",
    State: stateOf(listed) as string,
    Status: statusOf(listed, now, healthOf(engine, container)?.status),
  };
  const label = (name: unknown) => labels[String(name)] ?? "";
  return Object.defineProperty(row, "Label", { value: label }) as typeof row; // {{.Label "name"}}, in no JSON
}

export function shortId({ id }: Pick<ContainerRecord, "id">, whole: boolean): string {
  return whole ? id : id.slice(0, 12);
}

function commandOf({ command }: ContainerRecord, whole: boolean): string {
  const all = command.join(" ");
  return JSON.stringify(whole || all.length <= 20 ? all : `${all.slice(0, 19)}…`);
}

/** @param health undefined: it is not checked */
export function statusOf(listed: Listed, now: number, health?: Health["status"]): string {
  const { exitCode = 0, finished, created, started } = listed.container;
  const ended = `(${exitCode}) ${ago(now - (finished ?? created))} ago`;
  const up = `Up ${ago(now - (started ?? created))}`;
  switch (stateOf(listed)) {
    case "created":
      return "Created";
    case "running":
      return health ? `${up} (${health === "starting" ? "health: starting" : health})` : up;
    case "paused":
      return `${up} (Paused)`;
    case "restarting":
      return `Restarting ${ended}`;
    case "exited":
      return `Exited ${ended}`;
  }
}

function sizeOf({ paths }: Engine, { id, imageId }: ContainerRecord): string {
  const written = writtenBy(paths, id);
  const image = imageId === undefined ? 0 : (readImage(paths, imageId)?.size ?? 0);
  return `${decimalSize(written)} (virtual ${decimalSize(image + written)})`;
}

/** As Go prints a time. */
export function timeOf(milliseconds: number): string {
  return new Date(milliseconds)
    .toISOString()
    .replace("T", " ")
    .replace(/\.\d+Z$/, " +0000 UTC");
}
