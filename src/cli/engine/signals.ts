/** Flags about signals and how long they may take. */
import { invalid } from "../../errors.ts";
import { signalNumber } from "../../linux/signals.ts";
import { parseWhole } from "../../spec/sizes.ts";

export function signalOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = signalNumber(text);
  if (number === undefined) throw invalid(`--signal "${text}": no signal is called that`, "as SIGTERM, or a number");
  return number;
}

export function wholeSeconds(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : parseWhole(text, flag, -1, 2_147_483);
}
