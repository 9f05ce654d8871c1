/** Networks in the store: ROOT/networks/NAME with network.json. A directory comes to be, and goes, by rename: whole or not at all. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { networkDirectory, networksDirectory, type Paths } from "../container/paths.ts";
import { VitrineError } from "../errors.ts";
import type { NetworkRecord } from "./record.ts";

/** Undefined if there is none. */
export function readNetwork(paths: Paths, name: string): NetworkRecord | undefined {
  if (!isNetworkName(name)) return undefined;
  try {
    return JSON.parse(readFileSync(`${networkDirectory(paths, name)}/network.json`, "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new VitrineError("BROKEN_STATE", `network ${name}: its record cannot be read`, { cause: error });
  }
}

/** By name. */
export function listNetworks(paths: Paths): NetworkRecord[] {
  return entriesOf(networksDirectory(paths))
    .sort()
    .flatMap((name) => readNetwork(paths, name) ?? []);
}

/** By name, else by the beginning of its id. @throws NOT_FOUND, INVALID if several ids begin so */
export function findNetwork(paths: Paths, text: string): NetworkRecord {
  const named = readNetwork(paths, text);
  if (named) return named;
  const found = /^[0-9a-f]{1,64}$/.test(text) ? listNetworks(paths).filter(({ id }) => id.startsWith(text)) : [];
  const [network, second] = found;
  if (second) throw new VitrineError("INVALID", `"${text}" is the beginning of several networks' ids`);
  if (!network)
    throw new VitrineError("NOT_FOUND", `no network "${text}"`, {
      hint: "vitrine network ls lists them; vitrine network create makes one",
    });
  return network;
}

/** Also what keeps them out of options and paths. */
export const isNetworkName = (text: string) => /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(text);

/** @throws CONFLICT if one is there that is called so */
export function addNetwork(paths: Paths, record: NetworkRecord): void {
  const half = `${networksDirectory(paths)}/.new.${process.pid}`;
  mkdirSync(half, { recursive: true, mode: 0o700 });
  writeFileSync(`${half}/network.json`, JSON.stringify(record), { mode: 0o600, flush: true });
  try {
    renameSync(half, networkDirectory(paths, record.name));
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    const { code = "" } = error as NodeJS.ErrnoException;
    if (code !== "EEXIST" && code !== "ENOTEMPTY") throw error;
    throw new VitrineError("CONFLICT", `network ${record.name} is there already`, {
      hint: "vitrine network inspect shows it",
    });
  }
}

/** Nobody finds it any more; what the kernel has of it is still there. */
export function hideNetwork(paths: Paths, { name, id }: NetworkRecord): void {
  renameSync(networkDirectory(paths, name), hidden(paths, id));
}

/** Of a network that cannot go. */
export function showNetwork(paths: Paths, { name, id }: NetworkRecord): void {
  renameSync(hidden(paths, id), networkDirectory(paths, name));
}

export function dropHidden(paths: Paths, { id }: NetworkRecord): void {
  rmSync(hidden(paths, id), { recursive: true, force: true });
}

const hidden = (paths: Paths, id: string) => `${networksDirectory(paths)}/.gone.${id}`;

/** Something is there that a command is making or taking away, or was when it was killed. */
export function hasHalves(paths: Paths): boolean {
  return entriesOf(networksDirectory(paths)).some((name) => /^\.(new|gone)\./.test(name));
}

/** What killed commands have not come to take away. */
export function listHidden(paths: Paths): NetworkRecord[] {
  const directory = networksDirectory(paths);
  return entriesOf(directory)
    .filter((name) => name.startsWith(".gone."))
    .flatMap((name) => {
      try {
        return [JSON.parse(readFileSync(`${directory}/${name}/network.json`, "utf8"))];
      } catch {
        return []; // another command is at it
      }
    });
}

/** Of commands that were killed while they made one, or while they deleted what was hidden; whose turn it is alone can tell. */
export function dropHalves(paths: Paths): void {
  const directory = networksDirectory(paths);
  const half = (name: string) =>
    name.startsWith(".new.") || (name.startsWith(".gone.") && !existsSync(`${directory}/${name}/network.json`));
  for (const name of entriesOf(directory).filter(half))
    rmSync(`${directory}/${name}`, { recursive: true, force: true });
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
