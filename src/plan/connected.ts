/** Addresses that a container gets while it runs: its plan does not know them, and lets go of them all the same. */
import { AT_FDCWD, AT_REMOVEDIR } from "../linux/constants.ts";
import { alt, out, sys, unless } from "./instructions.ts";
import { onHost } from "./op.ts";
import type { Instruction, Op } from "./plan.ts";

/** So many at most. */
export const SLOTS = 8;
/** Each is a link of this length to a lease: of one length, so that one place is enough to read them. */
const SLOT_LENGTH = 1024;

/** Undefined if the path is too long for it. */
export const slotText = (lease: string): string | undefined =>
  lease.length > SLOT_LENGTH ? undefined : lease.padStart(SLOT_LENGTH, "/");

export const slotFile = (directory: string, slot: number) => `${directory}/${slot}`;

/** Where `network connect` notes leases; with the run they are free. */
export function placeForConnections(directory: string): Op {
  const path = out(SLOT_LENGTH + 1); // its last byte stays zero
  const slots = Array.from({ length: SLOTS }, (_, slot): Instruction => {
    const read = sys("readlinkat", [AT_FDCWD, slotFile(directory, slot), path, SLOT_LENGTH]);
    return unless(["ENOENT"], [read, sys("unlinkat", [AT_FDCWD, path, 0])]);
  });
  const all: Instruction = { do: "walk", mode: "remove", dir: AT_FDCWD, path: directory };
  return onHost(
    {
      call: "mkdirat",
      object: directory,
      why: "Networks that it is connected to later are noted here: their addresses are free when it ends.",
      undo: {
        call: "unlinkat",
        object: directory,
        does: [
          alt(
            [sys("unlinkat", [AT_FDCWD, directory, AT_REMOVEDIR], { ok: ["ENOENT"] })],
            [...slots, all],
            ["ENOTEMPTY"],
          ),
        ],
      },
    },
    [sys("mkdirat", [AT_FDCWD, directory, 0o700])],
  );
}
