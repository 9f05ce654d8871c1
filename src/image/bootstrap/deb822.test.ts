import { describe, expect, test } from "bun:test";
import { refusal } from "../../../test/facts.ts";
import { parseParagraphs, words } from "./deb822.ts";
import { parseRelations, relationText } from "./relations.ts";

const of = (text: string) => parseParagraphs(text, "it").map((p) => Object.fromEntries(p));

describe("paragraphs", () => {
  test("fields, lines that go on, comments, blank lines, CR LF", () => {
    expect(of("A: 1\n# no\nB:\n one\n\ttwo\n .\n\n\n \t\nc-d:  x: y \r\nE:\r\n")).toEqual([
      { a: "1", b: "\n one\n\ttwo\n ." },
      { "c-d": "x: y", e: "" },
    ]);
    expect(of("\n\n")).toEqual([]);
  });

  test("words over several lines", () => {
    const [paragraph = new Map()] = parseParagraphs("Suites: a\n b  c\n", "it");
    expect(words(paragraph, "suites")).toEqual(["a", "b", "c"]);
    expect(words(paragraph, "none")).toEqual([]);
  });

  test("what is no field is refused, with its line", () => {
    expect(refusal(() => of("A: 1\nnonsense\n")).message).toBe('it: "nonsense" is not "Field: value"');
    expect(refusal(() => of(" begins so\n")).message).toBe('it: "begins so" belongs to no field');
    expect(refusal(() => of("A: 1\na: 2\n")).message).toContain("stands twice");
  });
});

describe("relations", () => {
  test("versions, alternatives, architectures", () => {
    const relations = parseRelations("a (>= 1:2~3), b:any | c ( <<4 ) , d [amd64],", "it");
    expect(relations.map((group) => group.map(relationText))).toEqual([["a (>= 1:2~3)"], ["b:any", "c (<< 4)"], ["d"]]);
  });

  test("the old < is <=", () => {
    expect(parseRelations("a (< 1)", "it")[0]?.map(relationText)).toEqual(["a (<= 1)"]);
  });

  test("what is none is refused", () => {
    expect(refusal(() => parseRelations("a b", "Depends of x")).message).toBe(
      'Depends of x: "a b" is not a relation to a package',
    );
  });
});
