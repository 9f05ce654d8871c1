/** What connecting and disconnecting a container have in common: its files in /etc, and what is noted for its next start. */
import { AT_FDCWD, O_CLOEXEC, O_WRONLY } from "../../linux/constants.ts";
import { deleteLink } from "../../linux/links.ts";
import { sys, text, unless } from "../instructions.ts";
import { onHost, quote } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";
import { doorIsOpen } from "./connected.ts";
import { acknowledged, filled, routeSocket } from "./netlink.ts";

/** A file that is mounted in a container that runs: it is written in place. */
export interface ChangedFile {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** The networks of a container that stays, for its next start. */
export interface ChangedRecord {
  readonly file: string;
  /** Files that are put into its place: what it will be, and what it was. */
  readonly next: string;
  readonly was: string;
  /** What `next` says, for whoever explains it. */
  readonly text?: string | undefined;
}

/** @param door of the run whose file it is: of the next one it has another content */
export function changeFile({ path, before, after }: ChangedFile, door: string): Op {
  const told = {
    call: "write",
    object: path,
    why: "The container sees it as it is from now on; its own lines stay.",
    sh: `printf %s ${quote(after)} > ${quote(path)}`,
  };
  const undo = {
    call: "write",
    object: path,
    sh: `printf %s ${quote(before)} > ${quote(path)}`,
    does: [rewrite(path, before, door)],
  };
  return onHost({ ...told, undo }, [doorIsOpen(door), ...written(path, after)]);
}

/** Nothing happens if it is not there any more, or another run's. */
export const rewrite = (path: string, content: string, door: string): Instruction =>
  whileOpen(door, written(path, content));

/** Only as long as the run has not come to its end. */
export const whileOpen = (door: string, does: readonly Instruction[]): Instruction =>
  unless(["ENOENT"], [doorIsOpen(door), ...does]);

function written(path: string, content: string): Instruction[] {
  const file = sys("openat", [AT_FDCWD, path, O_WRONLY | O_CLOEXEC]);
  const data = text(content);
  const { length } = data.bytes;
  return [file, sys("write", [file, data, length]), sys("ftruncate", [file, length]), sys("close", [file])];
}

/** The command that does the same. */
export const shRecord = ({ file, next, text }: ChangedRecord) =>
  text === undefined ? `mv ${quote(next)} ${quote(file)}` : `printf %s ${quote(text)} > ${quote(file)}`;

export function changeRecord(record: ChangedRecord): Op {
  const { file, next, was } = record;
  const told = {
    call: "renameat2",
    object: file,
    why: "Its next start is on these networks.",
    sh: shRecord(record),
  };
  const undo = {
    call: "renameat2",
    object: file,
    sh: `mv ${quote(was)} ${quote(file)}`,
    does: [putInPlace(was, file)],
  };
  return onHost({ ...told, undo }, [sys("renameat2", [AT_FDCWD, next, AT_FDCWD, file, 0])]);
}

/** It may be there already. */
export const putInPlace = (from: string, file: string): Instruction =>
  sys("renameat2", [AT_FDCWD, from, AT_FDCWD, file, 0], { ok: ["ENOENT"] });

/** In the network namespace that whoever does it is in; one that is not there is no failure. */
export function removed(device: string): Instruction[] {
  const socket = routeSocket();
  const gone = acknowledged(socket, filled(deleteLink(device), {}), ["EPERM"], ["ENODEV"]);
  return [socket, ...gone, sys("close", [socket])];
}
