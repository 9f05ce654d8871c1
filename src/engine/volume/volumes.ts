/** Volumes: made, listed, taken away. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { emit } from "../../container/events.ts";
import { volumesDirectory } from "../../container/paths.ts";
import { carryOut } from "../../container/plans.ts";
import { hex, randomBytes } from "../../container/random.ts";
import { invalid, VitrineError } from "../../errors.ts";
import { planVolumeRemoval } from "../../plan/volumes.ts";
import { checkVolumeName } from "../../spec/volume.ts";
import type { Engine } from "../context.ts";
import { treeSize } from "../treesize.ts";
import { makeVolume, readVolume, type Volume } from "./store.ts";
import { usersOfVolumes } from "./users.ts";

export interface VolumeAsked {
  readonly name?: string | undefined;
  /** "name=value" */
  readonly labels: readonly string[];
  /** "type=none", "o=bind", "device=/srv/data" */
  readonly options: readonly string[];
}

/** One that is there already is left as it is. @throws INVALID, CONFLICT if it was made with other options */
export function createVolume(engine: Engine, { name, labels, options }: VolumeAsked): Volume {
  const chosen = driverOptions(options);
  const what = "volume create";
  const found = name === undefined ? undefined : readVolume(engine.paths, checkVolumeName(name, what));
  if (found) {
    if (options.length > 0 && JSON.stringify(found.options) !== JSON.stringify(chosen))
      throw new VitrineError("CONFLICT", `volume ${found.name} is there, with other options`, {
        hint: "vitrine volume inspect shows them",
      });
    return found;
  }
  return makeVolume(engine, name ?? hex(randomBytes(32)), assignments(labels), chosen, name === undefined);
}

/** @throws UNSUPPORTED for what nothing here mounts */
function driverOptions(texts: readonly string[]): Record<string, string> {
  const options = assignments(texts);
  const { type = "none", o = "bind", device } = options;
  const [unknown] = Object.keys(options).filter((key) => !["type", "o", "device"].includes(key));
  if (unknown !== undefined) throw invalid(`--opt ${unknown}: not known`, "type=none, o=bind and device=DIR are");
  if (texts.length === 0) return {};
  if (type !== "none" || !/^r?bind$/.test(o) || device === undefined)
    throw new VitrineError(
      "UNSUPPORTED",
      `--opt ${texts.join(" --opt ")}: only directories of this host can be volumes`,
      {
        hint: "--opt type=none --opt o=bind --opt device=DIR; other file systems: mount them on the host, or --tmpfs",
      },
    );
  if (!device.startsWith("/") || !statSync(device, { throwIfNoEntry: false })?.isDirectory())
    throw new VitrineError("NOT_FOUND", `--opt device="${device}": no directory`, { hint: "an absolute path" });
  return options;
}

function assignments(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const at = text.indexOf("=");
      return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
    }),
  );
}

/** By name. */
export function listVolumes({ paths }: Pick<Engine, "paths">): Volume[] {
  const directory = volumesDirectory(paths);
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .sort()
    .flatMap((name) => readVolume(paths, name) ?? []);
}

/** @throws NOT_FOUND */
export function findVolume({ paths }: Pick<Engine, "paths">, name: string): Volume {
  const volume = /^[\w.-]+$/.test(name) && !/^\.*$/.test(name) ? readVolume(paths, name) : undefined;
  if (!volume) throw new VitrineError("NOT_FOUND", `no volume "${name}"`, { hint: "vitrine volume ls lists them" });
  return volume;
}

/** @throws NOT_FOUND; CONFLICT if a container has it, whether it runs or not */
export async function removeVolume(engine: Engine, name: string): Promise<void> {
  const volume = findVolume(engine, name);
  const [user] = (await usersOfVolumes(engine)).get(volume.mountpoint) ?? [];
  if (user !== undefined) throw inUse(name, user);
  const directory = `${volumesDirectory(engine.paths)}/${name}`;
  try {
    carryOut(engine.stage.path, engine.paths, planVolumeRemoval(directory));
  } catch (error) {
    if (!(error instanceof VitrineError) || !error.message.includes(`${directory}/lock`)) throw error;
    throw inUse(name, "a container that is about to start");
  }
  emit(engine.paths, "volume", "destroy", name, { driver: "local" });
}

function inUse(name: string, user: string): VitrineError {
  return new VitrineError("CONFLICT", `volume ${name} is in use: ${user}`, { hint: "vitrine rm it first" });
}

export interface PrunedVolumes {
  readonly names: readonly string[];
  /** Bytes. */
  readonly reclaimed: number;
}

/** Those that no container has; only ones without a name unless `all`. */
export async function pruneVolumes(
  engine: Engine,
  all: boolean,
  wanted: (volume: Volume) => boolean,
): Promise<PrunedVolumes> {
  const users = await usersOfVolumes(engine);
  const names: string[] = [];
  let reclaimed = 0;
  for (const volume of listVolumes(engine)) {
    if ((!all && !volume.anonymous) || users.has(volume.mountpoint) || !wanted(volume)) continue;
    const size = volume.options.device === undefined ? treeSize(volume.mountpoint) : 0;
    try {
      await removeVolume(engine, volume.name);
    } catch (error) {
      if (error instanceof VitrineError && (error.code === "CONFLICT" || error.code === "NOT_FOUND")) continue;
      throw error;
    }
    names.push(volume.name);
    reclaimed += size;
  }
  emit(engine.paths, "volume", "prune", "", { reclaimed: String(reclaimed) });
  return { names, reclaimed };
}
