/** Keys that leave a container, in docker's words: "ctrl-p,ctrl-q", "a,b", "DEL"; "" for none. */
import { invalid } from "../errors.ts";

/** Room for them in the stage: stage/wire.h. */
const MOST_KEYS = 16;
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

/** What Ctrl makes of these, from 0 on: ascii(7). */
const CONTROLS = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/** Their bytes. */
export function parseDetachKeys(text: string): number[] {
  if (text === "") return [];
  const keys = text.split(",").map((key) => keyOf(key, text));
  if (keys.length > MOST_KEYS) throw invalid(`--detach-keys "${text}": more than ${MOST_KEYS} keys`);
  return keys;
}

function keyOf(key: string, text: string): number {
  if (/^[\x21-\x7e]$/.test(key)) return key.charCodeAt(0);
  if (key === "DEL") return 127;
  const control = /^ctrl-(.)$/.exec(key)?.[1];
  const at = control === undefined ? -1 : CONTROLS.indexOf(control);
  if (at < 0)
    throw invalid(
      `--detach-keys "${text}": "${key}" is no key`,
      "a character, DEL, or ctrl- with one of a-z @ [ \\ ] ^ _, several with commas between them",
    );
  return at;
}
