/** Docker's filters of images: dangling, label, before, since, reference, until. */
import type { Paths } from "../../container/paths.ts";
import { invalid } from "../../errors.ts";
import { createdAt, findImage } from "../../image/images.ts";
import { parseTimeSpan } from "../../spec/timespan.ts";
import type { ListedImage, Named } from "./names.ts";

export interface ImageFilters {
  readonly dangling?: boolean;
  /** "name" or "name=value"; all have to be there. */
  readonly labels: readonly string[];
  readonly withoutLabels: readonly string[];
  readonly before: readonly string[];
  readonly since: readonly string[];
  readonly references: readonly ((name: Named) => boolean)[];
  /** Milliseconds since 1970: only older ones. */
  readonly until?: number;
}

type Mutable = {
  -readonly [K in keyof ImageFilters]: ImageFilters[K] extends readonly (infer T)[] ? T[] : ImageFilters[K];
};

export const NO_FILTERS: ImageFilters = { labels: [], withoutLabels: [], before: [], since: [], references: [] };

/** @param known which filters this command takes @throws INVALID */
export function parseFilters(texts: readonly string[], known: readonly string[], now: number): ImageFilters {
  const all: Mutable = { labels: [], withoutLabels: [], before: [], since: [], references: [] };
  for (const text of texts) {
    const at = text.indexOf("=");
    if (at < 0) throw invalid(`--filter "${text}": not of the form NAME=VALUE`);
    const [, name = "", not] = /^(.*?)(!?)$/.exec(text.slice(0, at)) ?? [];
    const value = text.slice(at + 1);
    if (!known.includes(name) || (not && name !== "label"))
      throw invalid(`--filter "${text}": there is no such filter`, `known: ${known.join(", ")}`);
    if (name === "dangling") all.dangling = truth(value, text);
    else if (name === "label") (not ? all.withoutLabels : all.labels).push(value);
    else if (name === "before" || name === "since") all[name].push(value);
    else if (name === "until") all.until = pointInTime(value, text, now);
    else all.references.push(referencePattern(value));
  }
  return all;
}

/** debian, debian:12, localhost:5000/*:v1: patterns as a shell has them; "*" does not reach over a slash. */
export function referencePattern(pattern: string): (name: Named) => boolean {
  const whole = glob(pattern);
  return ({ repository, familiar, whole: full }) => whole.test(repository) || whole.test(familiar) || whole.test(full);
}

export function matcher(paths: Paths, filters: ImageFilters): (listed: ListedImage) => boolean {
  const newest = Math.min(...filters.before.map((text) => createdAt(findImage(paths, text))));
  const oldest = Math.max(...filters.since.map((text) => createdAt(findImage(paths, text))));
  return ({ image, names }) => {
    const tagged = hasTag(names);
    const time = createdAt(image);
    const labels = image.config.Labels ?? {};
    return (
      (filters.dangling === undefined || filters.dangling === !tagged) &&
      filters.labels.every((label) => hasLabel(labels, label)) &&
      !filters.withoutLabels.some((label) => hasLabel(labels, label)) &&
      time < newest &&
      time > oldest &&
      (filters.until === undefined || time < filters.until) &&
      (filters.references.length === 0 || names.some((name) => filters.references.some((r) => r(name))))
    );
  };
}

/** One that has only digests was one's own under a tag that now is another's. */
export function hasTag(names: readonly Named[]): boolean {
  return names.some(({ reference }) => reference.digest === undefined);
}

/** @param text "name" or "name=value" */
export function hasLabel(labels: Readonly<Record<string, string>>, text: string): boolean {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  return Object.hasOwn(labels, name) && (at < 0 || labels[name] === text.slice(at + 1));
}

function glob(pattern: string): RegExp {
  let source = "";
  for (let i = 0; i < pattern.length; i++) {
    const letter = pattern[i] ?? "";
    const end = letter === "[" ? pattern.indexOf("]", i + 2) : -1;
    if (letter === "*") source += "[^/]*";
    else if (letter === "?") source += "[^/]";
    else if (end > 0) {
      source += `[${pattern.slice(i + 1, end).replaceAll("\\", "\\\\")}]`;
      i = end;
    } else source += letter.replace(/[\\^$.|?*+()[\]{}]/g, "\\$&");
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw invalid(`"${pattern}" is no pattern`, "*, ? and [a-z] stand for letters of a part of a name");
  }
}

function truth(value: string, text: string): boolean {
  if (/^(1|t|true)$/i.test(value)) return true;
  if (/^(0|f|false)$/i.test(value)) return false;
  throw invalid(`--filter "${text}": "${value}" is neither true nor false`);
}

/** "24h" ago, a date, or seconds since 1970. */
function pointInTime(value: string, text: string, now: number): number {
  const span = parseTimeSpan(value);
  if (span !== undefined) return now - span;
  const time = /^\d+(\.\d+)?$/.test(value) ? 1000 * Number(value) : Date.parse(value);
  if (Number.isNaN(time))
    throw invalid(`--filter "${text}": "${value}" is no time`, "as 24h, 2024-01-31, or 2024-01-31T12:00:00Z");
  return time;
}
