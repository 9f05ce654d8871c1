/** Volumes as they lie in the store: ROOT/volumes/NAME with its files in _data, and volume.json. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { emit } from "../../container/events.ts";
import { type Paths, volumesDirectory } from "../../container/paths.ts";
import { writeWhole } from "../../container/wholefile.ts";
import { VitrineError } from "../../errors.ts";
import { checkVolumeName, ownerOfVolume, volumeData } from "../../spec/volume.ts";
import type { Engine } from "../context.ts";

export interface Volume {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly created: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  /** Nobody gave it its name. */
  readonly anonymous: boolean;
  /** Its files. */
  readonly mountpoint: string;
}

/** Where those lie that are not at their usual place; what is missing is made. @param dry change nothing */
export function resolveVolumes(engine: Engine, names: readonly string[], dry: boolean): Record<string, string> {
  const elsewhere: Record<string, string> = {};
  for (const name of names) {
    checkVolumeName(name, "a mount");
    const volume = readVolume(engine.paths, name) ?? (dry ? undefined : makeVolume(engine, name, {}, {}, false));
    const usual = volumeData(volumesDirectory(engine.paths), name);
    if (volume && volume.mountpoint !== usual) elsewhere[name] = volume.mountpoint;
  }
  return elsewhere;
}

export function makeVolume(
  engine: Engine,
  name: string,
  labels: Volume["labels"],
  options: Volume["options"],
  anonymous: boolean,
): Volume {
  const { paths } = engine;
  const directory = `${volumesDirectory(paths)}/${name}`;
  mkdirSync(volumesDirectory(paths), { recursive: true, mode: 0o700 });
  const isNew = mkdirSync(directory, { recursive: true, mode: 0o700 }) !== undefined;
  try {
    mkdirSync(`${directory}/_data`, { recursive: true });
    chmodSync(`${directory}/_data`, 0o755); // whatever the caller's umask is
    const note = JSON.stringify({ created: Date.now(), labels, options, anonymous });
    writeWhole(`${directory}/volume.json`, note, undefined, { flush: true });
  } catch (error) {
    if (isNew) dropHalf(directory);
    throw error;
  }
  emit(paths, "volume", "create", name, { driver: "local" });
  const made = readVolume(paths, name);
  if (!made) throw new VitrineError("NOT_FOUND", `volume ${name} was removed a moment ago`);
  return made;
}

/** One that could not be made whole. */
function dropHalf(directory: string): void {
  try {
    rmSync(`${directory}/volume.json`, { force: true });
    if (existsSync(`${directory}/_data`)) rmdirSync(`${directory}/_data`);
    rmdirSync(directory);
  } catch {
    // Somebody uses it already.
  }
}

/** Undefined if there is none. */
export function readVolume(paths: Paths, name: string): Volume | undefined {
  const data = volumeData(volumesDirectory(paths), name);
  const stat = statSync(data, { throwIfNoEntry: false });
  if (!stat) return undefined;
  const noted = readNote(`${volumesDirectory(paths)}/${name}/volume.json`);
  const own = ownerOfVolume(name) !== undefined;
  const { created = stat.birthtimeMs || stat.mtimeMs, labels = {}, options = {}, anonymous = own } = noted;
  return { name, created, labels, options, anonymous, mountpoint: options.device ?? data };
}

function readNote(file: string): Partial<Omit<Volume, "name" | "mountpoint">> {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return {}; // one without a name has none
  }
}
