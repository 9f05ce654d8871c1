/**
 * Addresses that a container gets while it runs: its plan does not know them, and lets go of them all the same. The directory in which they
 * are noted is also the door by which others come to a run: before its end takes anything back, the door is closed. Who finds it open after a
 * change is sure that the end comes later, and sees the change.
 */
import { AT_FDCWD, AT_REMOVEDIR } from "../../linux/constants.ts";
import { alt, out, sys, unless } from "../instructions.ts";
import { onHost } from "../op.ts";
import type { Instruction, Op } from "../plan.ts";

/** So many at most. */
export const SLOTS = 8;
/** Each is a link of this length to a lease: of one length, so that one place is enough to read them. */
const SLOT_LENGTH = 1024;

/** Undefined if the path is too long for it. */
export const slotText = (lease: string): string | undefined =>
  lease.length > SLOT_LENGTH ? undefined : lease.padStart(SLOT_LENGTH, "/");

export const slotFile = (directory: string, slot: number) => `${directory}/${slot}`;

/** What the directory is called once the door is closed. */
export const closedDoor = (directory: string) => `${directory}.closed`;

/** Not by removing it: what is noted in there is still needed. */
export const closeDoor = (directory: string): Instruction =>
  sys("renameat2", [AT_FDCWD, directory, AT_FDCWD, closedDoor(directory), 0], { ok: ["ENOENT"] });

/** Fails with ENOENT once the run's end has begun to take back what the run left. */
export const doorIsOpen = (directory: string): Instruction => sys("faccessat", [AT_FDCWD, directory, 0]);

/** Where `network connect` notes leases; with the run they are free. */
export function placeForConnections(directory: string): Op {
  const closed = closedDoor(directory);
  const path = out(SLOT_LENGTH + 1); // its last byte stays zero
  const slots = Array.from({ length: SLOTS }, (_, slot): Instruction => {
    const read = sys("readlinkat", [AT_FDCWD, slotFile(closed, slot), path, SLOT_LENGTH]);
    return unless(["ENOENT"], [read, sys("unlinkat", [AT_FDCWD, path, 0])]);
  });
  const all: Instruction = { do: "walk", mode: "remove", dir: AT_FDCWD, path: closed };
  return onHost(
    {
      call: "mkdirat",
      object: directory,
      why: "Networks that it is connected to later are noted here: their addresses are free when it ends.",
      undo: {
        call: "unlinkat",
        object: directory,
        does: [
          closeDoor(directory),
          alt([sys("unlinkat", [AT_FDCWD, closed, AT_REMOVEDIR], { ok: ["ENOENT"] })], [...slots, all], ["ENOTEMPTY"]),
        ],
      },
    },
    [sys("mkdirat", [AT_FDCWD, directory, 0o700])],
  );
}
