import { invalid } from "../../errors.ts";
import { type OciInvocation, text } from "./command.ts";

/** The value of a flag that is a whole number, not below zero. */
export function whole(i: OciInvocation, name: string): number | undefined {
  const word = text(i, name);
  if (word === undefined) return undefined;
  if (!/^\d{1,9}$/.test(word)) throw invalid(`--${name} "${word}": not a whole number`);
  return Number(word);
}
