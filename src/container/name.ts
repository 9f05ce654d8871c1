import { invalid } from "../errors.ts";

/** Docker's rule for names. */
export function checkName(name: string): string {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name))
    throw invalid(
      `--name "${name}": not a container name`,
      "letters, digits, _ . and -, starting with a letter or digit",
    );
  return name;
}

const FIRST = [
  "amber",
  "bold",
  "brisk",
  "calm",
  "clear",
  "deft",
  "early",
  "fair",
  "fleet",
  "frank",
  "keen",
  "light",
  "lucid",
  "mild",
  "neat",
  "open",
  "plain",
  "prompt",
  "quick",
  "quiet",
  "ready",
  "sharp",
  "sound",
  "spare",
  "steady",
  "swift",
  "tidy",
  "true",
  "vivid",
  "warm",
  "wise",
  "young",
];
const SECOND = [
  "alder",
  "ash",
  "beech",
  "birch",
  "cedar",
  "crane",
  "dove",
  "elm",
  "falcon",
  "fern",
  "finch",
  "hazel",
  "heron",
  "holly",
  "ivy",
  "jay",
  "kite",
  "larch",
  "lark",
  "linden",
  "maple",
  "oak",
  "otter",
  "pine",
  "plover",
  "raven",
  "robin",
  "rowan",
  "spruce",
  "swan",
  "thrush",
  "willow",
];

/** A name for a container that was given none: "calm_heron_3f2a". */
export function inventName(random: Uint8Array): string {
  const pick = (list: readonly string[], byte = 0) => list[byte % list.length];
  const tail = [...random.subarray(2, 4)].map((b) => b.toString(16).padStart(2, "0")).join("");
  return `${pick(FIRST, random[0])}_${pick(SECOND, random[1])}_${tail}`;
}
