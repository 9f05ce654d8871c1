/**
 * STATE/networks/.resolver: what commands and the resolver's process tell each other. `socket` takes the names of networks;
 * `ID` (of a network) is a link that names the process which answers there; `asked` was touched when somebody last relied on it.
 */
import {
  closeSync,
  futimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { type Paths, resolverDirectory } from "../../container/paths.ts";
import { isMarkAlive, ownMark } from "../../container/process.ts";
import type { NetworkRecord } from "../record.ts";

export const socketFile = (paths: Paths) => `${resolverDirectory(paths)}/socket`;
export const logFile = (paths: Paths) => `${resolverDirectory(paths)}/log`;
const askedFile = (paths: Paths) => `${resolverDirectory(paths)}/asked`;
const readyLink = (paths: Paths, { id }: Pick<NetworkRecord, "id">) => `${resolverDirectory(paths)}/${id}`;

export function makePlace(paths: Paths): void {
  mkdirSync(resolverDirectory(paths), { recursive: true, mode: 0o700 });
}

/** From now on the resolver stays for a while: it does not end between this and a lease. */
export function relyOn(paths: Paths): void {
  try {
    const handle = openSync(askedFile(paths), "a", 0o600);
    const now = new Date();
    futimesSync(handle, now, now);
    closeSync(handle);
  } catch {
    // there is no resolver yet
  }
}

/** Whether names of a network are answered. */
export function isReady(paths: Paths, network: Pick<NetworkRecord, "id">): boolean {
  try {
    return isMarkAlive(readlinkSync(readyLink(paths, network)));
  } catch {
    return false;
  }
}

/** Milliseconds since anybody relied on it. */
export function sinceAsked(paths: Paths): number {
  const touched = statSync(askedFile(paths), { throwIfNoEntry: false })?.mtimeMs;
  return touched === undefined ? Number.POSITIVE_INFINITY : Date.now() - touched;
}

export function markReady(paths: Paths, network: Pick<NetworkRecord, "id">): void {
  unmarkReady(paths, network);
  symlinkSync(ownMark(), readyLink(paths, network));
}

/** Of one that was killed. */
export function unmarkAll(paths: Paths): void {
  for (const id of readdirSync(resolverDirectory(paths))) if (/^[0-9a-f]{64}$/.test(id)) unmarkReady(paths, { id });
}

export function unmarkReady(paths: Paths, network: Pick<NetworkRecord, "id">): void {
  rmSync(readyLink(paths, network), { force: true });
}
