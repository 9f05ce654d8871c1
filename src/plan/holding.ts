/** `pause` and `resume` as programs of a container's plan. */
import { AT_FDCWD, O_CLOEXEC } from "../linux/constants.ts";
import type { Errno } from "../linux/errno.ts";
import type { HostFacts } from "../linux/facts.ts";
import type { Config } from "../spec/config.ts";
import { writeFile } from "./cgroup.ts";
import type { Marks } from "./created.ts";
import { freezerOf } from "./freezer.ts";
import { alt, expect, out, struct, sys, u64, unless } from "./instructions.ts";
import { type Freezer, isFrozen, lives } from "./liveness.ts";
import { onHost } from "./op.ts";
import { GIVEN, type Instruction, type Op, type Out } from "./plan.ts";

/** How long it is waited, in all, for processes to be held: then it is another's turn, who can tell of it. Microseconds, the last one first. */
const HOLD_WAITS = [4000, 2000, 1000, 500, 200, 100, 50];

/** All processes are held, or, if that takes long, none; one that is held already is for who can tell so. */
export function hold(marks: Marks, group: Freezer, facts: HostFacts, config: Config): Op {
  const told = {
    call: "write",
    object: "to the freezer",
    why: "All processes of the container are held where they are.",
  };
  if (!group) return onHost(told, [never("EOPNOTSUPP")]);
  const freezer = freezerOf(facts, config.linux.cgroupsPath);
  const [frozen, thawed] = freezer.words;
  const word = out(64);
  const file = sys("openat", [AT_FDCWD, freezer.told, O_CLOEXEC]);
  let held: Instruction[] = [never("EAGAIN")];
  for (const wait of HOLD_WAITS) {
    const later = [sys("nanosleep", [struct([u64(0), u64(wait * 1000)]), 0]), ...held];
    held = [alt([sys("pread64", [file, word, word.size, 0]), ...isHeld(facts, word)], later, ["EAGAIN"])];
  }
  return onHost(told, [
    ...lives(marks).does,
    unless(["EAGAIN"], [...isFrozen(group), never("EBUSY")]),
    alt([...writeFile(freezer.file, frozen), file, ...held], [...writeFile(freezer.file, thawed), never("EAGAIN")]),
  ]);
}

/** "FROZ" and not "FREE" on v1; "populated 1\nfrozen 1\n" on v2. */
function isHeld({ cgroups }: HostFacts, word: Out): Instruction[] {
  const v1 = cgroups.v1.some((h) => h.controllers.includes("freezer"));
  return v1
    ? [expect({ load: word, at: 0, width: 4 }, 0xffffffffn, 0x5a4f5246n, "EAGAIN")]
    : [expect({ load: word, at: 19, width: 1 }, 0xffn, 0x31n, "EAGAIN")];
}

export function letGoOn(marks: Marks, group: Freezer, facts: HostFacts, config: Config): Op {
  const told = { call: "write", object: "to the freezer", why: "The container's processes go on." };
  if (!group) return onHost(told, [never("EOPNOTSUPP")]);
  const { file, words } = freezerOf(facts, config.linux.cgroupsPath);
  return onHost(told, [...lives(marks).does, ...isFrozen(group), ...writeFile(file, words[1])]);
}

const never = (errno: Errno) => expect(GIVEN, 0n, 1n, errno);
