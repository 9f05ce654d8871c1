/** Versions of Debian packages: [epoch:]upstream[-revision], ordered as deb-version(7) says. */
import { invalid } from "../../errors.ts";

/** Negative if `a` is older than `b`, 0 if they are equal, positive if it is newer. */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0;
  const [x, y] = [split(a), split(b)];
  return x.epoch - y.epoch || compareParts(x.upstream, y.upstream) || compareParts(x.revision, y.revision);
}

export type Comparison = "<<" | "<=" | "=" | ">=" | ">>";

/** Whether `version` is what a relation asks for: 1.2 is ">= 1.0". */
export function satisfies(version: string, comparison: Comparison, than: string): boolean {
  const order = compareVersions(version, than);
  if (comparison === "<<") return order < 0;
  if (comparison === "<=") return order <= 0;
  if (comparison === "=") return order === 0;
  return comparison === ">=" ? order >= 0 : order > 0;
}

function split(text: string): { epoch: number; upstream: string; revision: string } {
  const colon = text.indexOf(":");
  const epoch = colon < 0 ? "0" : text.slice(0, colon);
  if (!/^\d{1,9}$/.test(epoch)) throw invalid(`version "${text}": its epoch is not a number`);
  const rest = text.slice(colon + 1);
  const dash = rest.lastIndexOf("-");
  return {
    epoch: Number(epoch),
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? "" : rest.slice(dash + 1),
  };
}

/** Alternately what is no digit, by `rank`, and a number. */
function compareParts(a: string, b: string): number {
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const order = rank(a, i) - rank(b, j);
      if (order !== 0) return order;
      i++;
      j++;
    }
    const [m, n] = [endOfNumber(a, i), endOfNumber(b, j)];
    const [x, y] = [a.slice(i, m).replace(/^0+/, ""), b.slice(j, n).replace(/^0+/, "")];
    if (x.length !== y.length) return x.length - y.length;
    if (x !== y) return x < y ? -1 : 1;
    i = m;
    j = n;
  }
  return 0;
}

/** "~" stands before the end, the end (or a digit) before letters, letters before everything else. */
function rank(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0;
  const code = text.charCodeAt(at);
  if (code === 0x7e) return -1;
  return (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a) ? code : code + 256;
}

function endOfNumber(text: string, at: number): number {
  let end = at;
  while (end < text.length && isDigit(text, end)) end++;
  return end;
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 0x30 && code <= 0x39;
}
