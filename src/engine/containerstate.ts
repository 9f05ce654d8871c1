/** What a container is doing, in docker's words: from its record, its run, and what the kernel says. */
import type { ContainerRecord, RunRecord } from "../container/record.ts";

export { labelsOf } from "../container/labels.ts";

import { volumeOf } from "../spec/volume.ts";
import { isPaused } from "./pause.ts";
import type { Listed } from "./ps.ts";
import { isWaiting } from "./running.ts";

export type State = "created" | "running" | "paused" | "restarting" | "exited";

export const STATES: readonly string[] = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];

export function stateOf({ container, record }: Listed): State {
  if (!record) return container.status === "running" ? "exited" : container.status;
  if (isWaiting({ container, record })) return "restarting";
  return isPaused(record) ? "paused" : "running";
}

export interface MountPoint {
  readonly type: "bind" | "tmpfs" | "volume";
  /** Of a volume that has one. */
  readonly name?: string;
  readonly source: string;
  readonly destination: string;
  readonly options: readonly string[];
}

/** What users have mounted: all but what every container has. */
export function mountsOf(
  config: RunRecord["input"]["config"] | undefined,
  options: ContainerRecord["options"],
): MountPoint[] {
  const devices = new Set(options?.devices.map((text) => text.split(":")[1] ?? text.split(":")[0]));
  return (config?.mounts ?? [])
    .filter((mount) => !isEtcFile(mount))
    .filter(
      ({ type, destination }) =>
        (type === "bind" && !devices.has(destination)) || (type === "tmpfs" && !OURS.has(destination)),
    )
    .map(({ type, source = "", destination, options: words = [] }) => ({
      type: type === "tmpfs" ? "tmpfs" : volumeOf(source) === undefined ? "bind" : "volume",
      ...named(volumeOf(source)),
      source: type === "tmpfs" ? "" : source,
      destination,
      options: words,
    }));
}

/** One that the engine makes for each start: see src/engine/network/etcfiles.ts. */
export function isEtcFile({
  source = "",
  destination,
}: {
  readonly source?: string;
  readonly destination: string;
}): boolean {
  const [, name] = /\/containers\/[0-9a-f]{64}\/(hosts|hostname|resolv\.conf)$/.exec(source) ?? [];
  return name !== undefined && destination === `/etc/${name}`;
}

const named = (name: string | undefined) => (name === undefined ? {} : { name });

const OURS = new Set(["/dev", "/dev/shm"]);
