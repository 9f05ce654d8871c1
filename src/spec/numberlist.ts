/** Numbers of CPUs and memory nodes: "0-3,7", the list format of cpuset(7). */
import { invalid } from "../errors.ts";
import { word } from "./json.ts";

/** More than any kernel counts. */
const MOST = 65535;

/** Each number of a list, in any order. */
export function numbersOf(list: string): number[] {
  return list.split(",").flatMap((part) => {
    const [from = 0, to = from] = part.split("-").map(Number);
    return Array.from({ length: to - from + 1 }, (_, i) => from + i);
  });
}

/** Undefined if there is no number in it. Spaces and empty places are left out. */
export function numberList(value: unknown, path: string): string | undefined {
  const text = word(value, path);
  const parts = text.split(",").map((part) => part.trim());
  for (const part of parts) {
    if (part === "") continue;
    const [, from, to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    if (from === undefined || Number(to) > MOST)
      throw invalid(`${path}: ${JSON.stringify(text)} is not a list of numbers`, 'as "0-3,7"');
    if (Number(to) < Number(from)) throw invalid(`${path}: ${JSON.stringify(part)} ends before it begins`);
  }
  return parts.filter((part) => part !== "").join(",") || undefined;
}
