import { expect, test } from "bun:test";
import type { ImageRecord } from "../../image/images.ts";
import { matcher, parseFilters, referencePattern } from "./filters.ts";
import { namedBy } from "./names.ts";

const KNOWN = ["dangling", "label", "until", "reference"];
const NOW = Date.parse("2024-06-01T00:00:00Z");
const image = (created: string, Labels: Record<string, string> = {}) =>
  ({ created, config: { Labels } }) as unknown as ImageRecord;
const matches = (texts: string[], names: string[], created = "2024-01-01T00:00:00Z", labels = {}) =>
  matcher(
    { root: "/nowhere", state: "/nowhere" },
    parseFilters(texts, KNOWN, NOW),
  )({ image: image(created, labels), names: names.map(namedBy) });

test("references by pattern", () => {
  const debian = namedBy("docker.io/library/debian:bookworm");
  const own = namedBy("localhost:5000/a/b:v1");
  const hits = (pattern: string) => [debian, own].map(referencePattern(pattern));
  expect(hits("debian")).toEqual([true, false]);
  expect(hits("debian:*")).toEqual([true, false]);
  expect(hits("deb?an:[a-c]ookworm")).toEqual([true, false]);
  expect(hits("docker.io/library/debian:bookworm")).toEqual([true, false]);
  expect(hits("*")).toEqual([true, false]);
  expect(hits("localhost:5000/*/b:v*")).toEqual([false, true]);
  expect(hits("d.*")).toEqual([false, false]);
  expect(() => referencePattern("[z-a]")).toThrow("no pattern");
});

test("dangling, labels, times", () => {
  expect(matches(["dangling=true"], [])).toBe(true);
  expect(matches(["dangling=1"], ["docker.io/library/a:b"])).toBe(false);
  expect(matches(["dangling=true"], [`docker.io/library/a@sha256:${"a".repeat(64)}`])).toBe(true);
  expect(matches(["dangling=false"], ["docker.io/library/a:b"])).toBe(true);
  expect(matches(["label=a", "label=b=2"], [], undefined, { a: "1", b: "2" })).toBe(true);
  expect(matches(["label=b=3"], [], undefined, { b: "2" })).toBe(false);
  expect(matches(["label!=b"], [], undefined, { b: "2" })).toBe(false);
  expect(matches(["until=24h"], [], "2024-05-30T00:00:00Z")).toBe(true);
  expect(matches(["until=72h"], [], "2024-05-30T00:00:00Z")).toBe(false);
  expect(matches(["until=2024-05-31"], [], "2024-05-30T00:00:00Z")).toBe(true);
  for (const wrong of ["x", "x=1", "dangling!=1", "dangling=maybe", "until=never"])
    expect(() => parseFilters([wrong], KNOWN, NOW)).toThrow(`--filter "${wrong}"`);
});
