/** Words of a line with a shell's quotes, as Dockerfiles have them; nothing is expanded. */
import { invalid } from "../errors.ts";

/** @throws INVALID for a quote that is not closed */
export function splitWords(line: string, what: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (quote === "" && /\s/.test(c)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (quote === "" ? c === '"' || c === "'" : c === quote) {
      quote = quote === "" ? c : "";
      word ??= "";
    } else if (c === "\\" && quote !== "'" && i + 1 < line.length) word = (word ?? "") + (line[++i] as string);
    else word = (word ?? "") + c;
  }
  if (quote !== "") throw invalid(`${what}: a quote that is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
