/** Containers that stay: ROOT/containers/ID with container.json, config.json, upper, and a lock for whoever runs or removes it. A record is replaced by rename, whole or not at all. */
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { VitrineError } from "../errors.ts";
import { removingFile } from "../plan/removal.ts";
import type { Config } from "../spec/config.ts";
import type { RunOptions } from "../spec/options.ts";
import { isContainerId } from "./identity.ts";
import {
  containerDirectory,
  containersDirectory,
  nameFile,
  namesDirectory,
  nextRecordFile,
  type Paths,
} from "./paths.ts";
import { isMarkAlive } from "./process.ts";
import type { ContainerRecord } from "./record.ts";
import { keepSpare, withSpare } from "./spare.ts";
import { writeWhole } from "./wholefile.ts";

export function createContainer(paths: Paths, record: ContainerRecord, config: Config): void {
  const directory = containerDirectory(paths, record.id);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  writeWhole(`${directory}/config.json`, JSON.stringify(config), undefined, { flush: true });
  writeFileSync(`${directory}/lock`, "", { mode: 0o600 });
  writeFirst(paths, record);
}

/** Nothing is noted of a container that another command has just removed: false. An end is noted also where nothing has room. */
export function writeRecord(paths: Paths, record: ContainerRecord): boolean {
  try {
    return unlessGone(() => withSpare(paths.root, () => writeFirst(paths, record)));
  } finally {
    keepSpare(paths.root);
  }
}

/** Another command may remove a container at any moment. */
function unlessGone(write: () => void): boolean {
  try {
    write();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false;
  }
}

function writeFirst(paths: Paths, record: ContainerRecord): void {
  const directory = containerDirectory(paths, record.id);
  writeWhole(`${directory}/container.json`, JSON.stringify(record), undefined, { flush: true });
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** What a write, or a start, that was killed has left beside the record: nobody reads it again. */
export function sweepFiles(paths: Paths, id: string): void {
  const directory = containerDirectory(paths, id);
  let names: string[] = [];
  unlessGone(() => {
    names = readdirSync(directory);
  });
  for (const name of names) {
    // A start's record is called by a mark, and so is what is to replace it.
    const [, mark] =
      /^(?:(?:container|config|networks)\.json|start(?:\.\d+\.\d+)?)\.(\d+\.\d+)(?:\.was)?$/.exec(name) ?? [];
    if (mark !== undefined && !isMarkAlive(mark)) rmSync(`${directory}/${name}`, { force: true });
  }
}

/** What the record becomes when a run has taken the container's lock: its plan puts it into place. */
export function writeNextRecord(paths: Paths, record: ContainerRecord, run: string): void {
  const file = nextRecordFile(paths, record.id, run);
  if (!unlessGone(() => writeWhole(file, JSON.stringify(record), undefined, { flush: true })))
    throw new VitrineError("NOT_FOUND", `container ${record.name} was removed a moment ago`);
}

/** What is noted now, and what waits to be noted. Whoever notes ends and starts leaves the rest of a record as it is. */
export function changeRecord(
  paths: Paths,
  id: string,
  change: (record: ContainerRecord) => ContainerRecord,
): ContainerRecord | undefined {
  const record = readRecord(paths, id);
  if (!record) return undefined;
  const changed = change(record);
  return writeRecord(paths, changed) ? changed : undefined;
}

/** The same for what users change: also in the record that a run which has not begun will put into place. */
export function changeRecords(
  paths: Paths,
  id: string,
  change: (record: ContainerRecord) => ContainerRecord,
): ContainerRecord | undefined {
  const changed = changeRecord(paths, id, change);
  const directory = containerDirectory(paths, id);
  const next = (text: string) => JSON.stringify(change(JSON.parse(text)));
  const there = unlessGone(() => {
    for (const name of changed ? readdirSync(directory) : [])
      if (/^start\.\d+\.\d+$/.test(name))
        unlessGone(() =>
          writeWhole(`${directory}/${name}`, next(readFileSync(`${directory}/${name}`, "utf8")), undefined, {
            flush: true,
          }),
        );
  });
  return there ? changed : undefined;
}

/** A file of its own: whoever notes an end at the same time cannot lose it. */
const stoppedFile = (paths: Paths, id: string) => `${containerDirectory(paths, id)}/stopped`;

/** A user has ended it; nothing happens to one that leaves no record. By a link: that takes neither space nor an inode. */
export function noteStopped(paths: Paths, id: string): void {
  if (!existsSync(`${containerDirectory(paths, id)}/container.json`)) return;
  try {
    linkSync(`${containerDirectory(paths, id)}/lock`, stoppedFile(paths, id));
  } catch (error) {
    if (!["EEXIST", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

export function forgetStopped(paths: Paths, id: string): void {
  rmSync(stoppedFile(paths, id), { force: true });
  rmSync(removingFile(containerDirectory(paths, id)), { force: true });
}

/** Of a run that did not get so far. */
export function dropNextRecord(paths: Paths, id: string, run: string): void {
  rmSync(nextRecordFile(paths, id, run), { force: true });
}

export function readRecord(paths: Paths, id: string): ContainerRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(`${containerDirectory(paths, id)}/container.json`, "utf8"));
    const networks = networksSince(paths, id);
    const options = record.options && networks ? { ...record.options, ...networks } : record.options;
    return { ...record, ...(options ? { options } : {}), stopped: existsSync(stoppedFile(paths, id)) };
  } catch {
    return undefined;
  }
}

/** What `network connect` and `disconnect` have made of the networks that were asked for. Only they write it: it is put there by a plan. */
export const networksFile = (paths: Paths, id: string) => `${containerDirectory(paths, id)}/networks.json`;

export const networksText = (networks: readonly string[]) => JSON.stringify({ networks });

/** As options; undefined if it is as it was asked for. */
function networksSince(paths: Paths, id: string): Partial<RunOptions> | undefined {
  try {
    const { networks } = JSON.parse(readFileSync(networksFile(paths, id), "utf8"));
    return { networks, networkAliases: [], ip: undefined, ip6: undefined, macAddress: undefined };
  } catch {
    return undefined;
  }
}

/** Undefined if it is not there, or not whole. */
export function readConfig(paths: Paths, id: string): Config | undefined {
  try {
    return JSON.parse(readFileSync(`${containerDirectory(paths, id)}/config.json`, "utf8"));
  } catch {
    return undefined;
  }
}

export function writeConfig(paths: Paths, id: string, config: Config): void {
  writeWhole(`${containerDirectory(paths, id)}/config.json`, JSON.stringify(config), undefined, { flush: true });
}

/** Ids of every container directory, also of ones without a record: what a kill left of them. */
export function listContainerIds(paths: Paths): string[] {
  try {
    return readdirSync(containersDirectory(paths)).filter(isContainerId); // on a disk of its own: lost+found
  } catch {
    return [];
  }
}

export function listNames(paths: Paths): string[] {
  try {
    return readdirSync(namesDirectory(paths));
  } catch {
    return [];
  }
}

/** Id of the container that has a name. */
export function nameOwner(paths: Paths, name: string): string | undefined {
  try {
    return readlinkSync(nameFile(paths, name));
  } catch {
    return undefined;
  }
}

/** @throws EEXIST if another has it: of two that want it one gets it */
export function takeName(paths: Paths, name: string, id: string): void {
  symlinkSync(id, nameFile(paths, name));
}

/** Nothing happens if it is another's, or nobody's. */
export function releaseName(paths: Paths, name: string, id: string): void {
  if (nameOwner(paths, name) === id) rmSync(nameFile(paths, name), { force: true });
}
